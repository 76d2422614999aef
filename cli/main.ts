#!/usr/bin/env node
/** The `gmtl` command: hands its arguments to one of the commands and reports what goes wrong. */
import yargs, { type CommandModule } from 'yargs';
import { hideBin } from 'yargs/helpers';
import { GmtlError } from '../src/engine/errors.ts';
import { gmtlVersion } from '../src/engine/node/version.ts';
import { benchCommand } from './bench.ts';
import { dataCommand } from './data.ts';
import { doctorCommand } from './doctor.ts';
import { evaluateCommand } from './evaluate.ts';
import { inferCommand } from './infer.ts';
import { trainCommand } from './train.ts';
import { tuneCommand } from './tune.ts';

const commands = [trainCommand, evaluateCommand, inferCommand, benchCommand, tuneCommand, dataCommand, doctorCommand];

/** Options that may be given several times. */
const LISTS = ['_', 'set', 'images'];

/** Refuses an option given twice, which yargs makes a list where a command expects text, and one without a value, which it makes ''. */
function refuseCareless(values: Readonly<Record<string, unknown>>): true {
  for (const [name, value] of Object.entries(values)) {
    if (value === '') throw new GmtlError('cli/usage', `--${name} is empty; give it a value`);
    if (Array.isArray(value) && !LISTS.includes(name)) {
      throw new GmtlError('cli/usage', `--${name} is given ${value.length} times; give it once`);
    }
  }
  return true;
}

/** Prints an error that the user can fix as one message, and any other as a fault in gmtl. */
function report(error: unknown, debug: boolean): void {
  if (debug && error instanceof Error) {
    console.error(error.stack);
    for (let cause = error.cause; cause instanceof Error; cause = cause.cause) console.error('caused by:', cause.stack);
  } else if (error instanceof GmtlError) {
    console.error(`error: ${error.message}`);
  } else {
    const message = error instanceof Error ? error.message : String(error);
    console.error(
      `unexpected error: ${message}\nThis is a fault in gmtl. Run the command again with --debug to see where.`,
    );
  }
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const words = hideBin(process.argv);
  let parser = yargs(words)
    .scriptName('gmtl')
    .usage('$0 <command>\n\nTrains and runs the gated multitask retinal network with hand-written WebGPU kernels.')
    .option('debug', { type: 'boolean', default: false, describe: 'Show stack traces' })
    .version(gmtlVersion())
    .demandCommand(1, 'Name a command.')
    .strict()
    .check(refuseCareless, true)
    .recommendCommands()
    .wrap(Math.min(110, process.stdout.columns ?? 100))
    .fail((message, error) => {
      // yargs passes some of its own refusals as errors named YError.
      if (error && error.name !== 'YError') throw error;
      const refusal = message || error?.message || '';
      const stop = /[.?!]$/.test(refusal) ? '' : '.';
      throw new GmtlError('cli/usage', `${refusal}${stop} \`gmtl --help\` lists commands and options.`);
    });
  for (const command of commands) parser = parser.command(command as CommandModule);
  try {
    await parser.parseAsync();
  } catch (error) {
    report(error, words.includes('--debug'));
  }
}

await main();
