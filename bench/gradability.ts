#!/usr/bin/env node
/** Judges photographs and spoiled copies of them, and those against a network's training pictures: the tables of docs/results.md. */
import { readFile } from 'node:fs/promises';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { DEGRADATIONS, degrade, measureGradability } from '../src/retina/data/pictures/degrade.ts';
import { gradabilityOf } from '../src/retina/data/pictures/gradability.ts';
import { likenessTo } from '../src/retina/data/pictures/likeness.ts';
import { whereFieldIsSeen } from '../src/retina/data/pictures/pictureStatistics.ts';
import { measureFile } from '../src/retina/data/pictures/preprocess.ts';
import { collectInputs } from '../src/retina/predict/inputs.ts';
import { formatTable } from '../src/retina/report/table.ts';
import { RunFolder } from '../src/retina/run/runFolder.ts';

const args = await yargs(hideBin(process.argv))
  .usage('node dist/bench/gradability.js [--run RUN] FOLDER…')
  .option('run', { type: 'string', describe: "Hold the pictures against this run's training pictures too" })
  .option('copies', {
    type: 'boolean',
    default: true,
    describe: 'Judge spoiled copies too (--no-copies: the pictures alone)',
  })
  .demandCommand(1, 'Name folders of photographs.')
  .strictOptions().argv;

const inputs = collectInputs(args._.map(String), { recursive: true });
const pictures = await Promise.all(inputs.map(async ({ path }) => ({ path, bytes: await readFile(path) })));
const spoiled = args.copies ? Object.keys(DEGRADATIONS) : [];
const caught = await measureGradability(pictures, spoiled, (done) =>
  process.stderr.write(`\r${done} of ${pictures.length}`),
);
process.stderr.write('\n');
const share = (count: number, of: number): string => `${count} of ${of} (${((100 * count) / of).toFixed(1)} %)`;
const right = { header: '', align: 'right' } as const;
console.log(
  formatTable(
    [{ header: 'copy' }, { header: 'how' }, { ...right, header: 'not gradable' }, { ...right, header: 'right reason' }],
    Object.entries(caught).map(([name, { pictures: count, ungradable, rightFault }]) => {
      const how = DEGRADATIONS[name];
      const reason = how ? share(rightFault, count) : '';
      return [`${name}${how?.isStrong ? ' *' : ''}`, how?.what ?? '', share(ungradable, count), reason];
    }),
  ),
);
const strong = Object.entries(caught).filter(([name]) => DEGRADATIONS[name]?.isStrong);
const sum = (key: 'pictures' | 'ungradable'): number => strong.reduce((total, [, one]) => total + one[key], 0);
if (strong.length > 0) console.log(`\nstrong ones (*): ${share(sum('ungradable'), sum('pictures'))}`);

if (args.run !== undefined) {
  const look = RunFolder.open(args.run).trainingSet()?.look;
  if (!look) throw new Error(`${args.run}: its training pictures' look is not recorded`);
  const rows: string[][] = [];
  for (const name of ['original', ...spoiled.filter((one) => DEGRADATIONS[one].isStrong)]) {
    const passing: string[] = [];
    const distances: number[] = [];
    for (const { path, bytes } of pictures) {
      const copy = name === 'original' ? bytes : await degrade(bytes, name);
      const statistics = await whereFieldIsSeen(measureFile(path, copy));
      const distance = statistics ? likenessTo(look, statistics).distance : Number.POSITIVE_INFINITY;
      distances.push(distance);
      if (distance <= 1 && gradabilityOf(statistics).gradable) passing.push(path);
    }
    distances.sort((a, b) => a - b);
    const unlike = distances.filter((one) => one > 1).length;
    const median = distances[distances.length >> 1];
    rows.push([
      ...[name, share(unlike, distances.length), distances[0].toFixed(2), median.toFixed(2)],
      share(passing.length, distances.length),
    ]);
    for (const path of name === 'original' ? passing : []) console.log(`neither unlike nor ungradable: ${path}`);
  }
  const columns = ['unlike', 'least', 'median', 'neither'].map((header) => ({ ...right, header }));
  console.log(`\n${formatTable([{ header: 'copy' }, ...columns], rows)}`);
}
