/** `gmtl merge`: joins the tables of an inference's shards. */
import type { CommandModule } from 'yargs';
import { readManifest } from '../src/retina/predict/manifest.ts';
import { requirePatientsFile, writePatients } from '../src/retina/predict/patients.ts';
import { mergeTables } from '../src/retina/predict/merge.ts';

interface MergeArguments {
  folders?: string[];
  out: string;
  manifest?: string;
}

export const mergeCommand: CommandModule<object, MergeArguments> = {
  command: 'merge <folders..>',
  describe: "Join the tables of an inference's shards, and name what is missing or double",
  builder: (yargs) =>
    yargs
      .positional('folders', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'Folders that gmtl infer wrote',
      })
      .option('out', { type: 'string', default: 'predictions.csv', describe: 'The table to write' })
      .option('manifest', { type: 'string', describe: 'List of the pictures that must all be there' }),
  handler: async ({ folders = [], out, manifest }) => {
    const expected = manifest === undefined ? null : (await readManifest(manifest)).map(({ path }) => path);
    requirePatientsFile(out);
    const { rows, failed, notes } = await mergeTables(folders, out, expected);
    for (const note of notes) console.error(`warning: ${note}: their figures do not compare`);
    console.error(`${rows} pictures, ${failed} of them failed: ${out}`);
    const patients = await writePatients(out);
    if (patients !== null) console.error(`patients ${patients}`);
  },
};
