/** Computes the right results, in float64 on the CPU, and keeps them in a folder so that each is computed once. */
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Engine } from '../../src/engine/autograd/engine.ts';
import { ReferenceBackend } from '../../src/engine/ops/referenceBackend.ts';
import { gmtlEngine } from './gmtl.ts';
import { makeInputs, type Pass, type Workload } from './workloads.ts';
import { makeFolders } from '../../src/engine/node/atomic.ts';

/** The package's folder, seen from dist/bench/peers. */
export const PACKAGE_FOLDER = fileURLToPath(new URL('../../../', import.meta.url));
const CACHE = join(PACKAGE_FOLDER, '.cache', 'peers');

/** Results by name: those of the first run, and for a training step also `loss2`, the loss of the second run. */
export type Reference = ReadonlyMap<string, Float64Array>;

/** The pass that gives every result of a workload. */
function fullPass(workload: Workload): Pass {
  return workload.passes[workload.passes.length - 1];
}

/** Computes the reference. The training step takes minutes. */
export async function computeReference(workload: Workload): Promise<Reference> {
  const engine = gmtlEngine(new Engine(new ReferenceBackend()), false, {});
  const pass = fullPass(workload);
  const prepared = await engine.prepare(workload, pass, makeInputs(workload));
  const collect = async () =>
    new Map([...(await prepared.results())].map(([name, data]) => [name, Float64Array.from(data)] as const));
  await prepared.run();
  const results = await collect();
  if (pass === 'step') {
    await prepared.run();
    results.set('loss2', (await collect()).get('loss')!);
  }
  prepared.dispose?.();
  return results;
}

/** Element counts by name, and the name of the file that holds the elements one after another as little-endian float64. */
interface Index {
  readonly data: string;
  readonly counts: Readonly<Record<string, number>>;
}

function indexPath(workload: Workload): string {
  // A workload whose shape or fill changes under the same key gets a new reference.
  const hash = createHash('sha256').update(JSON.stringify(workload)).digest('hex').slice(0, 12);
  return join(CACHE, `${workload.key}-${hash}.json`);
}

/** The cached reference; null if there is none. */
export function readReference(workload: Workload): Reference | null {
  let index: Index;
  try {
    index = JSON.parse(readFileSync(indexPath(workload), 'utf8'));
  } catch {
    return null;
  }
  const bytes = readFileSync(join(CACHE, index.data));
  const all = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  let from = 0;
  return new Map(
    Object.entries(index.counts).map(([name, count]) => {
      from += count;
      return [name, all.subarray(from - count, from)];
    }),
  );
}

/** Computes the reference unless it is cached; with `fresh`, always. */
export async function provideReference(workload: Workload, fresh = false): Promise<void> {
  if (!fresh && readReference(workload)) return;
  const reference = await computeReference(workload);
  makeFolders(CACHE);
  const path = indexPath(workload);
  const data = path.replace(/\.json$/, '.f64');
  writeFileSync(data, Buffer.concat([...reference.values()].map((values) => new Uint8Array(values.slice().buffer))));
  const counts = Object.fromEntries([...reference].map(([name, values]) => [name, values.length]));
  // Written last and renamed into place, so that an index implies complete data.
  writeFileSync(`${path}.partial`, JSON.stringify({ data: data.slice(CACHE.length + 1), counts } satisfies Index));
  renameSync(`${path}.partial`, path);
}
