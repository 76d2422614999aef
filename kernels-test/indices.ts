/**
 * Rewrites the WGSL of a kernel so that every index that is not a literal goes through a function `outsideIndex(index, length, place)` (outside.ts). It
 * follows the types of variables as far as indexing needs them: an index into what it does not understand is an error, so that none goes unseen.
 */

/** A type of WGSL, as far as indexing needs it. */
type Type =
  | { readonly kind: 'indexed'; readonly element: Type; readonly length: string | null }
  | { readonly kind: 'struct'; readonly fields: ReadonlyMap<string, Type> }
  | { readonly kind: 'pointer'; readonly to: Type }
  | { readonly kind: 'other' };

/** One index in the WGSL: which kernel's, and the text around it. */
export interface Place {
  readonly kernel: string;
  readonly text: string;
}

const OTHER: Type = { kind: 'other' };
const TOKEN = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|\s+|[A-Za-z_]\w*|\d[\w.]*|->|[-+*/%&|^<>=!]=|&&|\|\||[\s\S]/g;
const WORD = /^[A-Za-z_]\w*$/;
/** What may be followed by types between < and >, where other words are followed by comparisons. */
const TEMPLATE = /^(array|vec[234]|mat[234]x[234]|bitcast)$/;
/** Functions whose result has the type of their first argument. */
const LIKE_FIRST = /^(select|max|min|fma|clamp|abs|exp|log|sqrt|floor|sign|mix)$/;
const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

const elementOf = (type: Type): Type => {
  const indexed = type.kind === 'pointer' ? type.to : type;
  return indexed.kind === 'indexed' ? indexed.element : OTHER;
};

/** Rewrites one module; indices that it cannot resolve are errors, so that none goes uncounted. */
export class IndexRewriter {
  readonly #kernel: string;
  readonly #tokens: readonly string[];
  /** The space before each token. */
  readonly #gaps: string[] = [];
  readonly #place: (place: Place) => number;
  readonly #structs = new Map<string, [string, string][]>();
  readonly #aliases = new Map<string, string>();
  readonly #returns = new Map<string, Type>();
  /** Names of the module, then those of the function's blocks. */
  readonly #scopes: Map<string, Type>[] = [new Map()];

  readonly #isLocalCounted: boolean;

  /** `isLocalCounted`: whether to count in variables of functions too, which takes long to compile, and not in buffers and workgroup memory alone. */
  constructor(kernel: string, code: string, place: (place: Place) => number, isLocalCounted: boolean) {
    this.#kernel = kernel;
    const tokens: string[] = [];
    let gap = '';
    for (const [token] of code.matchAll(TOKEN)) {
      if (/^(\s|\/\/|\/\*)/.test(token)) {
        gap = token.includes('\n') || token.startsWith('/') ? '\n' : ' ';
        continue;
      }
      tokens.push(token);
      this.#gaps.push(gap);
      gap = '';
    }
    this.#tokens = tokens;
    this.#place = place;
    this.#isLocalCounted = isLocalCounted;
  }

  /** The rewritten module's text. */
  rewrite(): string {
    this.#declareModule();
    return this.#emit(0, this.#tokens.length);
  }

  #end(open: number): number {
    const close = CLOSING[this.#tokens[open]];
    let depth = 0;
    for (let at = open; at < this.#tokens.length; at++) {
      if (this.#tokens[at] === this.#tokens[open]) depth++;
      else if (this.#tokens[at] === close && --depth === 0) return at;
    }
    throw new Error(`${this.#kernel}: no ${close}`);
  }

  /** The end (exclusive) of the type that begins at a token: a name, with what stands between < and >. */
  #typeEnd(start: number): number {
    if (this.#tokens[start + 1] !== '<') return start + 1;
    let depth = 0;
    for (let at = start + 1; ; at++) {
      if (this.#tokens[at] === '<') depth++;
      else if (this.#tokens[at] === '(') at = this.#end(at);
      else if (this.#tokens[at] === '>' && --depth === 0) return at + 1;
    }
  }

  /** The parts of a list of tokens between commas at its own level. */
  #split(start: number, end: number): [number, number][] {
    const parts: [number, number][] = [];
    let begin = start;
    let angle = 0;
    for (let at = start; at < end; at++) {
      const token = this.#tokens[at];
      if (token in CLOSING) at = this.#end(at);
      else if (token === '<') angle++;
      else if (token === '>') angle--;
      else if (token === ',' && angle <= 0) {
        parts.push([begin, at]);
        begin = at + 1;
      }
    }
    if (begin < end) parts.push([begin, end]);
    return parts;
  }

  #text(start: number, end: number): string {
    return this.#tokens
      .slice(start, end)
      .map((token, index) => (index > 0 ? this.#gaps[start + index] : '') + token)
      .join('');
  }

  #type(start: number, end: number): Type {
    const name = this.#tokens[start];
    const alias = this.#aliases.get(name);
    if (alias !== undefined) return this.#named(alias);
    const parts = end > start + 2 ? this.#split(start + 2, end - 1) : [];
    if (name === 'array') {
      const length = parts.length > 1 ? `u32(${this.#text(...parts[1])})` : null;
      return { kind: 'indexed', element: parts.length > 0 ? this.#type(...parts[0]) : OTHER, length };
    }
    if (name === 'ptr') return { kind: 'pointer', to: this.#type(...parts[1]) };
    return this.#named(this.#text(start, end));
  }

  /** The type of a text: a vector, a matrix, a structure, or what has no index. */
  #named(text: string): Type {
    const alias = this.#aliases.get(text);
    if (alias !== undefined) return this.#named(alias);
    const vector = /^vec([234])/.exec(text);
    if (vector) return { kind: 'indexed', element: OTHER, length: `${vector[1]}u` };
    const matrix = /^mat([234])x([234])/.exec(text);
    if (matrix) return { kind: 'indexed', element: this.#named(`vec${matrix[2]}`), length: `${matrix[1]}u` };
    const fields = this.#structs.get(text);
    if (fields) return { kind: 'struct', fields: new Map(fields.map(([name, type]) => [name, this.#parsed(type)])) };
    return text.startsWith('array') ? this.#parsed(text) : OTHER;
  }

  #parsed(text: string): Type {
    const inner = new IndexRewriter(this.#kernel, text, this.#place, this.#isLocalCounted);
    for (const [name, of] of this.#aliases) inner.#aliases.set(name, of);
    for (const [name, of] of this.#structs) inner.#structs.set(name, of);
    return inner.#type(0, inner.#tokens.length);
  }

  /** Structures, aliases, variables and functions of the module, which may be used before they are declared. */
  #declareModule(): void {
    const later: (() => void)[] = [];
    for (let at = 0; at < this.#tokens.length; at++) {
      const token = this.#tokens[at];
      if (token === 'alias') {
        const end = this.#tokens.indexOf(';', at);
        this.#aliases.set(this.#tokens[at + 1], this.#text(at + 3, end));
        at = end;
      } else if (token === 'struct') {
        const close = this.#end(at + 2);
        const fields = this.#split(at + 3, close).map(([start, end]): [string, string] => {
          const colon = this.#tokens.indexOf(':', start);
          return [this.#tokens[colon - 1], this.#text(colon + 1, end)];
        });
        this.#structs.set(this.#tokens[at + 1], fields);
        at = close;
      } else if (token === 'fn') {
        const close = this.#end(at + 2);
        const open = this.#tokens.indexOf('{', close);
        const start = close + 2;
        const name = this.#tokens[at + 1];
        if (this.#tokens[close + 1] === '->' && WORD.test(this.#tokens[start]))
          later.push(() => this.#returns.set(name, this.#type(start, this.#typeEnd(start))));
        at = this.#end(open);
      } else if (token === 'var' || token === 'const' || token === 'override') {
        const name = this.#tokens[at + 1] === '<' ? this.#typeEnd(at) : at + 1;
        later.push(() => this.#declare(name));
      }
    }
    for (const declare of later) declare();
  }

  /** Notes the type of a variable whose name stands at a token, from its type or its initializer. */
  #declare(name: number): void {
    const after = this.#tokens[name + 1];
    let type = OTHER;
    if (after === ':') type = this.#type(name + 2, this.#typeEnd(name + 2));
    else if (after === '=') type = this.#typeOf(name + 2);
    this.#scopes.at(-1)!.set(this.#tokens[name], type);
  }

  #lookUp(name: string): Type | undefined {
    return this.#scopes.findLast((scope) => scope.has(name))?.get(name);
  }

  /** The type of an arithmetic expression: that of its first operand which can be indexed. */
  #typeOf(start: number): Type {
    let [type, at] = this.#operand(start);
    while (type.kind === 'other' && /^[-+*/]$/.test(this.#tokens[at] ?? '')) [type, at] = this.#operand(at + 1);
    return type;
  }

  /** The type of an operand (`a[1].y`, `f(x)`, `vec4f(…)`, `-(a + b)`), and the token after it. */
  #operand(start: number): [Type, number] {
    const token = this.#tokens[start];
    if (token === '-' || token === '!') return this.#operand(start + 1);
    if (token === '*') {
      const [pointer, next] = this.#operand(start + 1);
      return [pointer.kind === 'pointer' ? pointer.to : OTHER, next];
    }
    if (token === '&') {
      const [to, next] = this.#operand(start + 1);
      return [{ kind: 'pointer', to }, next];
    }
    if (token === '(') return this.#behind(this.#typeOf(start + 1), this.#end(start) + 1);
    if (token === undefined || !WORD.test(token)) return [OTHER, start + 1];
    const known = this.#lookUp(token);
    if (known !== undefined) return this.#behind(known, start + 1);
    const end = TEMPLATE.test(token) ? this.#typeEnd(start) : start + 1;
    if (this.#tokens[end] !== '(') return [OTHER, end];
    const type = LIKE_FIRST.test(token) ? this.#typeOf(end + 1) : (this.#returns.get(token) ?? this.#type(start, end));
    return this.#behind(type, this.#end(end) + 1);
  }

  /** The type behind indices and fields, and the token after them. */
  #behind(of: Type, start: number): [Type, number] {
    let type = of;
    let at = start;
    for (;;) {
      if (this.#tokens[at] === '[') {
        type = elementOf(type);
        at = this.#end(at) + 1;
      } else if (this.#tokens[at] === '.') {
        type = this.#fieldOf(type, this.#tokens[at + 1]);
        at += 2;
      } else return [type, at];
    }
  }

  #fieldOf(of: Type, field: string): Type {
    const type = of.kind === 'pointer' ? of.to : of;
    if (type.kind === 'struct') return type.fields.get(field) ?? OTHER;
    return field.length > 1 ? this.#named(`vec${field.length}`) : OTHER;
  }

  #emit(start: number, end: number): string {
    let text = '';
    for (let at = start; at < end; at++) {
      const token = this.#tokens[at];
      text += this.#gaps[at];
      if (token === 'struct' || token === 'alias') {
        const close = token === 'alias' ? this.#tokens.indexOf(';', at) : this.#end(at + 2);
        text += this.#text(at, close + 1);
        at = close;
        continue;
      }
      if (token === '{') {
        this.#scopes.push(new Map());
        text += '{';
        continue;
      }
      if (token === '}') this.#scopes.pop();
      if (token === 'fn') {
        const close = this.#end(at + 2);
        const open = this.#tokens.indexOf('{', close);
        text += this.#text(at, open + 1);
        this.#scopes.push(new Map());
        for (const [first, last] of this.#split(at + 3, close)) {
          const colon = this.#tokens.indexOf(':', first);
          this.#scopes.at(-1)!.set(this.#tokens[colon - 1], this.#type(colon + 1, last));
        }
        at = open;
        continue;
      }
      const isLocal = this.#scopes.length > 1;
      if (token === 'var' || token === 'let' || token === 'const') {
        const name = this.#tokens[at + 1] === '<' ? this.#typeEnd(at) : at + 1;
        // Declared after its initializer, which may use what it shadows: the initializer is emitted first.
        const stop = this.#statementEnd(name);
        text += this.#text(at, name + 1) + this.#emit(name + 1, stop);
        if (isLocal) this.#declare(name);
        at = stop - 1;
        continue;
      }
      const previous = this.#tokens[at - 1];
      if (WORD.test(token) && previous !== '.' && this.#lookUp(token) !== undefined) {
        const [chain, next] = this.#chain(token, this.#lookUp(token)!, at + 1, end);
        text += chain;
        at = next - 1;
        continue;
      }
      if (token === '(' && this.#tokens[at + 1] === '*' && this.#tokens[at + 3] === ')') {
        const pointer = this.#lookUp(this.#tokens[at + 2]);
        if (pointer?.kind === 'pointer') {
          const [chain, next] = this.#chain(`(*${this.#tokens[at + 2]})`, pointer.to, at + 4, end);
          text += chain;
          at = next - 1;
          continue;
        }
      }
      if (token === '(') {
        const close = this.#end(at);
        const inner = `(${this.#emit(at + 1, close)})`;
        const callee = previous !== undefined && WORD.test(previous) ? this.#returns.get(previous) : undefined;
        const [chain, next] = this.#chain(inner, callee ?? OTHER, close + 1, end);
        text += chain;
        at = next - 1;
        continue;
      }
      text += token;
    }
    return text;
  }

  /** Where a declaration's initializer ends: at its semicolon, or the parenthesis that closes around it. */
  #statementEnd(start: number): number {
    for (let at = start; ; at++) {
      const token = this.#tokens[at];
      if (token === ';' || token === ')' || token === undefined) return at;
      if (token in CLOSING) at = this.#end(at);
    }
  }

  /** The indices and fields behind a value, each index within bounds and counted. Gives the text, and the token after it. */
  #chain(base: string, of: Type, start: number, end: number): [string, number] {
    let text = base;
    let type = of;
    let at = start;
    const isMemory = this.#scopes[0].has(base) && this.#lookUp(base) === this.#scopes[0].get(base);
    while (at < end) {
      const token = this.#tokens[at];
      if (token === '.') {
        type = this.#fieldOf(type, this.#tokens[at + 1]);
        text += `.${this.#tokens[at + 1]}`;
        at += 2;
      } else if (token === '[') {
        if (type.kind === 'pointer') type = type.to;
        const close = this.#end(at);
        const inner = this.#emit(at + 1, close).trim();
        if (type.kind !== 'indexed')
          throw new Error(`${this.#kernel}: what ${text}[${inner}] is an element of is not understood`);
        const isConstant = type.length !== null && /^\d+u?$/.test(inner);
        if (isConstant || !(isMemory || this.#isLocalCounted)) {
          text += `[${inner}]`;
        } else {
          const length = type.length ?? `arrayLength(&${text})`;
          const place = this.#place({ kernel: this.#kernel, text: `${base}${this.#text(start, close + 1)}` });
          text += `[outsideIndex(u32(${inner}), ${length}, ${place}u)]`;
        }
        type = elementOf(type);
        at = close + 1;
      } else break;
    }
    return [text, at];
  }
}
