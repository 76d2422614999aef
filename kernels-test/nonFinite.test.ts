/**
 * Tier: any adapter. NaN and infinity travel: every op is run forward and backward with NaN, infinity or minus infinity planted into each of its
 * floating-point inputs, in every version of every kernel, and what is NaN, infinite or finite in the results must be so in the float64
 * reference, whose own way with them nonFiniteGoldens.test.ts holds against PyTorch. Generated from the registry.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { asStored } from '../src/engine/check/difference.ts';
import { execute } from '../src/engine/check/execute.ts';
import { canRun, referenceOf, type Snapshot, snapshots, writtenSpecs } from '../src/engine/check/snapshot.ts';
import type { GpuDevice } from '../src/engine/gpu/device.ts';
import { fillInput } from '../src/engine/ops/caseInputs.ts';
import type { Case, Op } from '../src/engine/ops/definition.ts';
import { GpuBackend } from '../src/engine/ops/gpuBackend.ts';
import { ops } from '../src/engine/ops/index.ts';
import { storesHalf } from '../src/engine/ops/invocations.ts';
import { declaredInput } from '../src/engine/ops/signature.ts';
import { isFloat, sizeOf } from '../src/engine/tensor/spec.ts';
import { closeDeviceAfterwards, testDevice } from './device.ts';

const SPECIAL = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

/** Programs that treat what is not finite in a way of their own, and what tests it. */
const APART: Record<string, string> = {
  squaresToSlots: 'counts it: src/engine/optim/optimizer.test.ts',
  clipGate: 'closes on it: src/engine/optim/lossScale.test.ts',
};

/** Cases in which the special number belongs to what counts nothing: rows that are ignored, weights that are all zero, elements all dropped. */
const COUNTS_NOTHING = /ignored|all dropped|no weight|zero|weigh|all options|several turns|out of range|empty/;

/** Products: a kernel multiplies the zeros of its padding, or of a tile past the end, so NaN may spread, as it does in PyTorch's im2col. */
const SPREADS = /^(conv2d|depthwiseConv2d|convTranspose2d)/;

/** Inputs of losses that are numbers from 0 to 1, or weights: infinity means nothing there. */
const BOUNDED = /^(targets|posWeight|sampleWeights|classWeights)$/;

closeDeviceAfterwards();
let device: GpuDevice;
beforeAll(async () => {
  device = await testDevice();
});

const versionsOf = ({ program }: Snapshot): (string | undefined)[] => [...(program.versions ?? [undefined])];
const coverage = (taken: readonly Snapshot[]): string[] =>
  taken.flatMap((snapshot) =>
    versionsOf(snapshot).flatMap((version) =>
      canRun(device, snapshot, version) ? [`${snapshot.program.name} ${version} ${snapshot.inputs.length}`] : [],
    ),
  );

/** Small cases that together reach every version of every program, with and without optional inputs. */
function casesOf(op: Op): Case[] {
  const size = ({ inputs }: Case): number => inputs.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const tests = op.cases.filter(({ purpose }) => purpose.includes('test')).sort((a, b) => size(a) - size(b));
  const reached = new Set<string>();
  return tests.filter((testCase) => {
    if (COUNTS_NOTHING.test(testCase.name)) return false;
    const adds = [...coverage(snapshots(op, testCase)), JSON.stringify(testCase.attributes)].filter(
      (each) => !reached.has(each),
    );
    for (const each of adds) reached.add(each);
    return adds.length > 0;
  });
}

/** Whether `got` is as `want` is: NaN, the same infinity, or finite. Of infinity gradients make NaN or infinity, as the order of the products has it. */
function agrees(got: number, want: number, snapshot: Snapshot, special: number): boolean {
  if (Number.isNaN(got))
    return (
      Number.isNaN(want) || SPREADS.test(snapshot.program.name) || (!Number.isNaN(special) && !Number.isFinite(want))
    );
  if (Number.isFinite(got)) return Number.isFinite(want);
  return got === want || (!Number.isNaN(special) && !Number.isFinite(want));
}

async function problems(
  backend: GpuBackend,
  snapshot: Snapshot,
  version: string | undefined,
  special: number,
  label: string,
): Promise<string[]> {
  if (APART[snapshot.program.name] || !canRun(device, snapshot, version)) return [];
  const wanted = referenceOf(snapshot);
  const specs = writtenSpecs(snapshot);
  const written = await execute(backend, snapshot, version);
  return written.flatMap(({ numbers }, index) => {
    if (!isFloat(specs[index].dtype)) return [];
    const stored = asStored(wanted[index], specs[index].dtype);
    const at = stored.findIndex((want, i) => !agrees(numbers[i], want, snapshot, special));
    if (at < 0) return [];
    return [
      `${label}: ${snapshot.program.name} ${version ?? ''} output ${index} at ${at}: ${numbers[at]} instead of ${wanted[index][at]}`,
    ];
  });
}

describe('NaN and infinity travel through every version of every kernel as through its reference', () => {
  it.each(ops.map((op) => [op.name, op] as const))('%s', async (_name, op) => {
    const half = device.target.features.has('shader-f16');
    const backend = new GpuBackend(device);
    const found: string[] = [];
    for (const testCase of casesOf(op)) {
      const { inputs } = testCase;
      for (const [planted, { dtype = 'f32', shape }] of inputs.entries()) {
        if (!isFloat(dtype) || declaredInput(op.forward.signature.inputs, planted).kind === 'label') continue;
        const { name } = declaredInput(op.forward.signature.inputs, planted);
        for (const special of SPECIAL) {
          if (BOUNDED.test(name) && !Number.isNaN(special)) continue;
          const place = Math.floor(sizeOf(shape) / 2);
          const taken = snapshots(op, testCase, (input, name) => {
            const data = fillInput(input, name);
            if (input === inputs[planted]) data[place] = special;
            return data;
          });
          for (const snapshot of taken.filter((each) => half || !storesHalf(each))) {
            for (const version of versionsOf(snapshot)) {
              found.push(
                ...(await problems(backend, snapshot, version, special, `${testCase.name}, ${name} ${special}`)),
              );
            }
          }
        }
      }
    }
    expect([...new Set(found)]).toEqual([]);
  });
});
