/** Hands the words of a command line to one of the commands and reports what goes wrong. */
import { closest, distance } from 'fastest-levenshtein';
import yargs, { type Argv, type CommandModule } from 'yargs';
import { GmtlError } from '../src/engine/errors.ts';
import { isWaitedFor } from '../src/engine/node/atomic.ts';
import { gmtlVersion } from '../src/engine/node/version.ts';
import { exitCodeOf } from './exitCodes.ts';
import { printable } from '../src/engine/printable.ts';
import { STANDARD_INPUT } from './options.ts';

/** Every command, in the order of `--help`. Its module is loaded when it is asked for: to load all takes a second. */
const COMMANDS: Readonly<Record<string, () => Promise<unknown>>> = {
  train: async () => (await import('./train.ts')).trainCommand,
  evaluate: async () => (await import('./evaluate.ts')).evaluateCommand,
  infer: async () => (await import('./infer.ts')).inferCommand,
  merge: async () => (await import('./merge.ts')).mergeCommand,
  enqueue: async () => (await import('./worker.ts')).enqueueCommand,
  worker: async () => (await import('./worker.ts')).workerCommand,
  export: async () => (await import('./export.ts')).exportCommand,
  web: async () => (await import('./web.ts')).webCommand,
  bench: async () => (await import('./bench.ts')).benchCommand,
  tune: async () => (await import('./tune.ts')).tuneCommand,
  data: async () => (await import('./data.ts')).dataCommand,
  doctor: async () => (await import('./doctor.ts')).doctorCommand,
};

/** The command of that name, or all where there is none. Each takes arguments of its own type, which yargs makes by the command's builder. */
export async function loadCommands(name = ''): Promise<readonly CommandModule[]> {
  const named = Object.hasOwn(COMMANDS, name) ? [COMMANDS[name]] : Object.values(COMMANDS);
  return (await Promise.all(named.map((load) => load()))) as readonly CommandModule[];
}

/** What `gmtl` alone says. */
const WELCOME = `gmtl: deep learning in TypeScript on hand-written WebGPU kernels, and the retinal networks it trains.

  npx gmtl train                    a demonstration in three minutes: draws retinas, trains on them, shows what was learned
  npx gmtl infer --sample 20        twenty test pictures of the newest run, prediction beside truth
  npx gmtl train --data DIR         train on photographs in IDRiD's folder layout

\`gmtl --help\` lists every command, \`gmtl doctor\` the adapters of this machine.`;

/** Options that may be given several times. */
const LISTS = ['set'];

/** How often each option stands among the words, under its first name: yargs makes lists of repeated options, or sums, or takes the last. */
function countOptions(
  words: readonly string[],
  alias: Readonly<Record<string, readonly string[]>>,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of words) {
    const match = /^(?:--(?:no-)?([A-Za-z][\w-]*)|-([A-Za-z]))(?:=|$)/.exec(word);
    if (match === null) continue;
    const given = (match[1] ?? match[2]).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const name = Object.keys(alias).find((main) => alias[main].includes(given)) ?? given;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

/** Refuses an option given twice, one without a value, which yargs makes '', one that wants a number and has none, and a switch with a value that is none. */
function refuseCareless(
  words: readonly string[],
  values: Readonly<Record<string, unknown>>,
  alias: Readonly<Record<string, readonly string[]>>,
): true {
  for (const [name, count] of countOptions(words, alias)) {
    if (count > 1 && !LISTS.includes(name)) {
      throw new GmtlError('cli/usage', `--${name} is given ${count} times; give it once`);
    }
  }
  for (const word of words) {
    const [, name = '', given = ''] = /^--([\w-]+)=(.*)$/s.exec(word) ?? [];
    // Yargs takes every other word for false.
    if (typeof values[name] === 'boolean' && given !== 'true' && given !== 'false') {
      throw new GmtlError('cli/usage', `--${name}=${given}: leave the value out, or give true or false`);
    }
  }
  for (const [name, value] of Object.entries(values)) {
    if (value === '' || value === STANDARD_INPUT) {
      throw new GmtlError('cli/usage', `--${name} is ${value === '' ? 'empty' : '-'}; give it a value`);
    }
    // One of many pictures fails alone.
    if (typeof value === 'string' && isWaitedFor(value))
      throw new GmtlError('cli/usage', `--${name}: ${value} is a pipe, socket or device; give a file or folder`);
    if (Number.isNaN(value)) throw new GmtlError('cli/usage', `--${name} needs a number`);
  }
  return true;
}

/** The words that a command takes by their place, by name: `<run>` of `evaluate <run>`. */
function placesOf(commands: readonly CommandModule[], words: readonly string[]): string[] {
  const usage = commands.map(({ command }) => String(command)).find((each) => each.split(' ')[0] === words[0]) ?? '';
  return usage.match(/(?<=[<[])\w+/g) ?? [];
}

/** Refuses what has its place given as an option: yargs would take it, and then one of the two. */
function refuseNamedPlaces(commands: readonly CommandModule[], words: readonly string[]): void {
  const named = placesOf(commands, words).find((place) => words.some((word) => word.split('=')[0] === `--${place}`));
  if (named === undefined) return;
  const place = named.toUpperCase();
  throw new GmtlError('cli/usage', `leave out --${named} and name it alone: gmtl ${words[0]} ${place}`);
}

/** The aliases among yargs's options, which its types call any. */
function aliasesOf(options: unknown): Readonly<Record<string, readonly string[]>> {
  const { alias } = options as { alias?: Readonly<Record<string, readonly string[]>> };
  return alias ?? {};
}

/** A refusal of unknown words, or of unknown options with the known one nearest to each that is near enough to be meant. */
function withNearestOption(refusal: string, words: readonly string[], parser: Argv): string {
  const unknown = /^Unknown arguments?: (.*)$/.exec(refusal)?.[1].split(', ');
  if (unknown === undefined) return refusal;
  const bare = unknown.find((name) => words.includes(name));
  if (bare !== undefined) return `Unknown word "${bare}"`;
  // Not in yargs's types: the options of the command that failed, by name.
  const { key } = (parser as unknown as { getOptions(): { key: Readonly<Record<string, unknown>> } }).getOptions();
  const known = Object.keys(key);
  const hints = unknown.flatMap((name) => {
    const nearest = closest(name, known);
    return nearest !== '' && distance(name, nearest) <= Math.max(2, name.length / 3) ? [`--${nearest}`] : [];
  });
  const names = unknown.map((name) => (name.length === 1 ? `-${name}` : `--${name}`)).join(', ');
  const meant = hints.length > 0 ? `. Did you mean ${[...new Set(hints)].join(', ')}?` : '';
  return `Unknown option${unknown.length > 1 ? 's' : ''} ${names}${meant}`;
}

/** Prints an error that the user can fix as one message, and any other as a fault in gmtl. */
function report(error: unknown, debug: boolean): void {
  if (debug && error instanceof Error) {
    console.error(error.stack);
    for (let cause = error.cause; cause instanceof Error; cause = cause.cause) console.error('caused by:', cause.stack);
  } else if (error instanceof GmtlError) {
    console.error(printable(`error: ${error.message}`));
  } else {
    const message = error instanceof Error ? error.message : String(error);
    console.error(
      `unexpected error: ${message}\nThis is a fault in gmtl. Run the command again with --debug to see where.`,
    );
  }
  process.exitCode = exitCodeOf(error);
}

/** What stands behind `--` are files, also where their names begin with a dash; a lone `-` is standard input. Yargs would leave out both. */
function withDashes(words: readonly string[]): readonly string[] {
  const end = words.indexOf('--');
  const files = end < 0 ? [] : words.slice(end + 1);
  return [
    ...words.slice(0, end < 0 ? words.length : end).map((word) => (word === '-' ? STANDARD_INPUT : word)),
    ...files.map((word) => (word.startsWith('-') ? `./${word}` : word)),
  ];
}

/** Runs `gmtl` with these words: prints what it does, or one message of what went wrong, and sets the process's exit code. */
export async function gmtl(given: readonly string[]): Promise<void> {
  const words = withDashes(given);
  if (words.length === 0) {
    console.log(WELCOME);
    return;
  }
  try {
    process.cwd();
  } catch (cause) {
    report(
      new GmtlError('cli/usage', 'the folder that this shell is in is gone: change into another', { cause }),
      false,
    );
    return;
  }
  try {
    const commands = await loadCommands(words[0]);
    let parser = yargs([...words])
      .scriptName('gmtl')
      .usage('$0 <command>\n\nTrains and runs the gated multitask retinal network with hand-written WebGPU kernels.')
      .option('debug', { type: 'boolean', default: false, describe: 'Show stack traces' })
      .version(gmtlVersion())
      .demandCommand(1, 'Name a command.')
      .strict()
      .check((values, options) => refuseCareless(words, values, aliasesOf(options)), true)
      .recommendCommands()
      .wrap(Math.min(110, process.stdout.columns ?? 100))
      .fail((message, error) => {
        // yargs passes some of its own refusals as errors named YError.
        if (error && error.name !== 'YError') throw error;
        const said = message || error?.message || '';
        const missing =
          /^Not enough non-option arguments/.test(said) && placesOf(commands, words).join(' ').toUpperCase();
        const refusal = missing
          ? `Name ${missing}: gmtl ${words[0]} ${missing}`
          : withNearestOption(said, words, parser);
        const stop = /[.?!]$/.test(refusal) ? '' : '.';
        throw new GmtlError('cli/usage', `${refusal}${stop} \`gmtl --help\` lists commands and options.`);
      });
    for (const command of commands) parser = parser.command(command);
    refuseNamedPlaces(commands, words);
    await parser.parseAsync();
  } catch (error) {
    report(error, words.includes('--debug'));
  }
}
