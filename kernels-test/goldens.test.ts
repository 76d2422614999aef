/**
 * Tier: any adapter (none for the float64 references). Every op against PyTorch: outputs, every input's gradient, in-place
 * updates. The bound of each case stands with it in fixtures/golden_ops.py (2e-6 of relative L2 for plain sums and functions, 4e-6
 * to 5e-6 where WGSL's exp or a variance is in it); the references, in float64, must meet the goldens' own rounding to float32.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { Engine } from '../src/engine/autograd/engine.ts';
import type { Tensor } from '../src/engine/autograd/tensor.ts';
import type { Backend } from '../src/engine/ops/backend.ts';
import { GpuBackend } from '../src/engine/ops/gpuBackend.ts';
import { ops } from '../src/engine/ops/index.ts';
import { ReferenceBackend } from '../src/engine/ops/referenceBackend.ts';
import { AdamW, SGD } from '../src/engine/optim/index.ts';
import { difference } from '../src/engine/check/difference.ts';
import { closeDeviceAfterwards, testDevice } from './device.ts';
import { casesSchema, type EngineArray, Goldens, type Layout, optimizersSchema, toEngine } from './goldens.ts';

const goldens = await Goldens.read('ops');
const cases = goldens.metadata('cases', casesSchema);
const optimizers = goldens.metadata('optimizers', optimizersSchema);
const byName = new Map(ops.map((op) => [op.name, op]));

/** Rounding to float32 changes a number by at most 6e-8 of itself, so the relative L2 error of rounding alone stays below this. */
const STORED = 1e-7;

/** Ops that have no golden here, and why. */
const WITHOUT: Record<string, string> = {
  accumulate: 'in place: gradients of tensors used twice, in goldenModels.test.ts, go through it',
  dropout: "its mask is the engine's own: dropoutMask.test.ts holds it against the generator",
  dropPath: "its mask is the engine's own: dropoutMask.test.ts holds it against the generator",
  assign: 'in place and a mere copy: PyTorch has nothing to say about it',
  floatCast: 'a rounding: the conversion is tested over every float16 in src/engine/io/safetensors.test.ts',
  residualMlp: 'of products and gelu, which have goldens; every ConvNeXt in goldenModels.test.ts goes through it',
  swap: 'in place and a mere exchange: PyTorch has nothing to say about it',
  'adamwStep.2': 'adamwStep of two parameters, which src/engine/optim/optimizer.test.ts holds against PyTorch',
  'adamwStep.3': 'adamwStep of three parameters at once: its arithmetic is that of one',
  'adamwStep.6': 'adamwStep of six parameters at once: its arithmetic is that of one',
  'sgdStep.2': 'sgdStep of two parameters, which src/engine/optim/optimizer.test.ts holds against PyTorch',
  'sgdStep.3': 'sgdStep of three parameters at once: its arithmetic is that of one',
  averages: 'in place: src/engine/optim/optimizer.test.ts holds it against its formula',
  emaStep: 'in place: averages, of one tensor and with a weight of its own',
  guardedScale: 'half of clip_grad_norm_, which src/engine/optim/optimizer.test.ts holds against PyTorch',
  squaresToSlots: 'half of clip_grad_norm_, which src/engine/optim/optimizer.test.ts holds against PyTorch',
  dotsToSlots:
    'the kernel of dot, with slots of its own; src/engine/ops/optimizer/products.test.ts holds it against sums',
  dotTotals: 'the second kernel of dot; src/engine/ops/optimizer/products.test.ts holds it against sums',
  axpy: 'in place: src/engine/ops/optimizer/products.test.ts holds it against its formula',
  'rmspropStep.3': 'rmspropStep of three parameters at once: its arithmetic is that of one',
  rmspropStep: 'in place: src/engine/optim/optimizer.test.ts holds it against PyTorch',
  flip: 'a movement: src/engine/nn/composites.test.ts holds it against PyTorch',
  gather: 'a movement: src/engine/nn/composites.test.ts holds it and its gradient against PyTorch',
  maskLoss: 'bceWithLogits and softDice at once: src/engine/nn/losses/losses.test.ts holds it against both',
  clipGate: 'half of clip_grad_norm_, which src/engine/optim/optimizer.test.ts holds against PyTorch',
  equal: 'a comparison: src/engine/nn/composites.test.ts holds it against PyTorch',
  less: 'a comparison: src/engine/nn/composites.test.ts holds it against PyTorch',
  lessEqual: 'a comparison: src/engine/nn/composites.test.ts holds it against PyTorch',
  where: 'a choice: src/engine/nn/composites.test.ts holds it against PyTorch',
};

closeDeviceAfterwards();

async function problem(what: string, got: Tensor, want: EngineArray, bound: number): Promise<string[]> {
  if (got.shape.join() !== want.shape.join()) return [`${what}: shape [${got.shape}] instead of [${want.shape}]`];
  const { relativeL2, worst } = difference(await got.data(), want.data);
  if (relativeL2 <= bound) return [];
  return [`${what}: relative L2 ${relativeL2.toExponential(2)} (at most ${bound}), worst at element ${worst}`];
}

function stored(key: string, layout: Layout): EngineArray {
  return toEngine(goldens.tensor(key), layout);
}

async function check(golden: (typeof cases)[number], backend: Backend, bound: number): Promise<string[]> {
  const op = byName.get(golden.op);
  if (!op) return [`there is no op ${golden.op}`];
  const engine = new Engine(backend);
  const key = `${golden.op}/${golden.name}`;
  const inputs = golden.layouts.map((layout, index) => {
    const { shape, data, dtype } = stored(`${key}/in${index}`, layout);
    return engine.tensor(data, shape, { dtype, requiresGrad: golden.grads.includes(index) });
  });
  const [output, ...internal] = engine.applyAll(op, inputs, golden.attributes);
  const problems = await problem('output', output, stored(`${key}/out`, golden.out), bound);
  if (golden.grads.length > 0) {
    const { shape, data } = stored(`${key}/gradOut`, golden.out);
    const cotangent = engine.tensor(data, shape);
    engine.backward(output, cotangent);
    cotangent.dispose();
  }
  for (const index of golden.grads) {
    const { grad } = inputs[index];
    const want = stored(`${key}/grad${index}`, golden.layouts[index]);
    problems.push(
      ...(grad ? await problem(`gradient ${index}`, grad, want, bound) : [`input ${index} got no gradient`]),
    );
  }
  for (const index of golden.updated) {
    const want = stored(`${key}/updated${index}`, golden.layouts[index]);
    problems.push(...(await problem(`updated input ${index}`, inputs[index], want, bound)));
  }
  for (const tensor of [...inputs, output, ...internal]) tensor.dispose();
  return problems;
}

async function checkOptimizer(golden: (typeof optimizers)[number], backend: Backend, bound: number): Promise<string[]> {
  const engine = new Engine(backend);
  const key = `${golden.op}/${golden.name}`;
  const start = stored(`${key}/start`, 'plain');
  const gradients = stored(`${key}/gradients`, 'plain');
  const tensor = engine.tensor(start.data, start.shape, { requiresGrad: true });
  const parameters = [{ name: 'x', tensor }];
  const optimizer =
    golden.op === 'sgdStep' ? new SGD(parameters, golden.options) : new AdamW(parameters, golden.options);
  for (let step = 0; step < gradients.shape[0]; step++) {
    const gradient = gradients.data.subarray(step * tensor.size, (step + 1) * tensor.size);
    tensor.grad = engine.tensor(gradient, start.shape);
    optimizer.step();
    optimizer.zeroGrad();
  }
  const problems = await problem('after ten steps', tensor, stored(`${key}/end`, 'plain'), bound);
  optimizer.dispose();
  tensor.dispose();
  return problems;
}

it('every op of the registry has a golden, or says why not', () => {
  const covered = new Set([...cases, ...optimizers].map(({ op }) => op));
  expect(ops.map(({ name }) => name).filter((name) => !covered.has(name) && !WITHOUT[name])).toEqual([]);
  expect(Object.keys(WITHOUT).filter((name) => covered.has(name) || !byName.has(name))).toEqual([]);
});

it('every differentiable op that has goldens has gradients among them', () => {
  const differentiated = new Set(cases.filter(({ grads }) => grads.length > 0).map(({ op }) => op));
  const without = cases.filter(({ op }) => 'backward' in (byName.get(op)?.gradient ?? {}) && !differentiated.has(op));
  expect(without.map(({ op }) => op)).toEqual([]);
});

for (const where of ['references', 'adapter'] as const) {
  describe(`on the ${where}`, () => {
    let backend: Backend;
    beforeEach(async () => {
      backend = where === 'references' ? new ReferenceBackend() : new GpuBackend(await testDevice());
    });
    const boundOf = (bound: number): number => (where === 'references' ? STORED : bound);
    for (const name of byName.keys()) {
      const goldens = cases.filter(({ op }) => op === name);
      if (goldens.length === 0) continue;
      describe(name, () => {
        for (const golden of goldens) {
          it(golden.name, async () => {
            expect(await check(golden, backend, boundOf(golden.bound))).toEqual([]);
          });
        }
      });
    }
    for (const golden of optimizers) {
      it(`${golden.op}: ${golden.name}`, async () => {
        expect(await checkOptimizer(golden, backend, boundOf(2e-6))).toEqual([]);
      });
    }
  });
}
