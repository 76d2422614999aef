/** `gmtl bench all`: everything that is to be known of an adapter, for the day when there is a GPU. */
import { resolve } from 'node:path';
import type { CommandModule } from 'yargs';
import { benchAll } from '../bench/all.ts';
import { GmtlError } from '../src/engine/errors.ts';
import { adapterOption } from './options.ts';

interface AllArguments {
  out: string;
  minutes: number;
  short: boolean;
  adapter: string;
}

/** `gmtl bench all`. */
export const allCommand: CommandModule<object, AllArguments> = {
  command: 'all',
  describe:
    'Test, tune and measure an adapter: doctor, kernel tests, kernels, steps, other engines and PyTorch, into one folder',
  builder: (yargs) =>
    yargs
      .option('out', {
        type: 'string',
        demandOption: true,
        describe: 'Folder for everything; one that was begun is gone on with',
      })
      .option('minutes', { type: 'number', default: 25, describe: 'Time for all parts together' })
      .option('short', { type: 'boolean', default: false, describe: 'Small networks, few samples: to try it out' })
      .option('adapter', adapterOption),
  async handler({ out, minutes, short, adapter }) {
    if (!(minutes > 0)) throw new GmtlError('cli/usage', `--minutes must be above 0, not ${minutes}`);
    const folder = resolve(out);
    const results = await benchAll({ folder, adapter, minutes, short }, (text) => console.error(text));
    const ok = results.filter(({ status }) => status === 'ok').length;
    console.log(`${ok} of ${results.length} parts are done: ${folder}/summary.md`);
    if (results.some(({ status }) => status === 'failed' || status === 'stopped' || status === 'late'))
      process.exitCode = 1;
  },
};
