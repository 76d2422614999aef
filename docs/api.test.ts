/**
 * Tier: no adapter, slow. What the site promises of the package's exports, asked of the compiler in a second (`npm run docs` takes ten): each has a
 * comment, so has each of its methods and accessors, and comments link to exports alone.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { API, type Project, type Symbol as Declared, SymbolFlags } from 'typescript/unstable/sync';

const root = fileURLToPath(new URL('../', import.meta.url));

/** The comment in front of a declaration, as it is written. */
function commentOf(symbol: Declared, project: Project): string {
  return symbol.declarations
    .map((handle) => {
      const { pos } = handle.resolve(project) ?? {};
      return pos === undefined ? '' : (/^\s*(\/\*\*.*?\*\/\s*)*/s.exec(textOf(handle.path).slice(pos))?.[0] ?? '');
    })
    .join('');
}

const texts = new Map<string, string>();
function textOf(path: string): string {
  const text = texts.get(path) ?? readFileSync(path, 'utf8');
  texts.set(path, text);
  return text;
}

it('every export, method and accessor has a comment, and comments link to what is exported', () => {
  const api = new API({ cwd: root });
  try {
    const [project] = api.updateSnapshot({ openProjects: [join(root, 'docs/site/tsconfig.json')] }).getProjects();
    const { checker, program } = project;
    const file = program.getSourceFile(join(root, 'src/index.ts'));
    const entry = file && checker.getSymbolAtLocation(file);
    const found: { name: string; owner: string; member: string; isInterface: boolean; isSilent: boolean; links: string[] }[] = [];
    const names = new Set<string>();
    const add = (name: string, owner: string, member: string, isInterface: boolean, symbol: Declared): void => {
      // A property's name may say all, but what its comment links to is on the site as well.
      const isTold = member === '' || (symbol.flags & (SymbolFlags.Method | SymbolFlags.Accessor)) !== 0;
      const isSilent = isTold && symbol.getDocumentationComment(checker) === '';
      const links = [...commentOf(symbol, project).matchAll(/\{@link ([\w.]+)/g)].map(([, target]) => target);
      found.push({ name, owner, member, isInterface, isSilent, links });
    };
    const walk = (symbol: Declared, prefix: string): void => {
      for (const each of checker.getExportsOfModule(symbol)) {
        const own = each.flags & SymbolFlags.Alias ? checker.getAliasedSymbol(each) : each;
        names.add(each.name);
        if (own.flags & SymbolFlags.ValueModule) {
          walk(own, `${prefix}${each.name}.`);
          continue;
        }
        add(prefix + each.name, each.name, '', false, own);
        if (!(own.flags & (SymbolFlags.Class | SymbolFlags.Interface))) continue;
        for (const [, member] of [...own.getMembers(), ...own.getExports()]) {
          if (/^_|#|^prototype$/.test(member.name)) continue;
          names.add(`${each.name}.${member.name}`);
          add(`${prefix}${each.name}.${member.name}`, each.name, member.name, (own.flags & SymbolFlags.Interface) !== 0, member);
        }
      }
    };
    if (entry) walk(entry, '');
    // A class's method may leave it to the interface that it implements.
    const said = new Set(found.flatMap((one) => (one.isInterface && !one.isSilent ? [one.member] : [])));
    const silent = found.filter((one) => one.isSilent && !said.has(one.member)).map(({ name }) => name);
    const dead = found.flatMap(({ name, owner, links }) =>
      links.filter((to) => !names.has(to) && !names.has(`${owner}.${to}`)).map((to) => `${name}: ${to}`));
    expect(found.length).toBeGreaterThan(400);
    expect(found.filter(({ links }) => links.length > 0).length).toBeGreaterThan(50);
    expect({ silent, dead }).toEqual({ silent: [], dead: [] });
  } finally {
    api.close();
  }
});
