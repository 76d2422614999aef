/** `gmtl bench scale`: what training on several ranks costs. */
import type { CommandModule } from 'yargs';
import { formatScale, measureRanks, modelledNetworks } from '../bench/scale.ts';

/** `gmtl bench scale`. */
export const benchScaleCommand: CommandModule<object, { model: boolean }> = {
  command: 'scale',
  describe: 'Time steps of 1, 2 and 4 ranks on this machine, and compute the efficiency on clusters of up to 64',
  builder: (yargs) =>
    yargs.option('model', {
      type: 'boolean' as const,
      default: false,
      describe: 'The arithmetic alone: start no ranks',
    }),
  handler: async ({ model }) => {
    const note = (text: string): void => console.error(`${text} …`);
    const measured = model ? null : await measureRanks(note);
    note('planning two networks');
    console.log(formatScale(measured, await modelledNetworks()));
  },
};
