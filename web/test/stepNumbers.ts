/** The numbers of a training step that do not depend on where it runs: computed in a page and in Node, and compared. */
import { engine } from '../../src/engine/autograd/currentEngine.ts';
import type { GpuDevice } from '../../src/engine/gpu/device.ts';
import { createBrowserDevice } from '../../src/engine/gpu/browserDevice.ts';
import { arrange } from '../../src/retina/network/routing.ts';
import { LOSS_DEFAULTS } from '../../src/retina/network/testsupport.ts';
import { objective } from '../../src/retina/train/objective.ts';
import { StepInputs } from '../../src/retina/train/stepInputs.ts';
import { makeBatch, makeRig, NOISY, stateOf } from '../../src/retina/train/testsupport.ts';
import { CountWeighting } from '../../src/retina/train/weighting/index.ts';

export interface StepNumbers {
  /** Total loss and gradient norm of three captured and replayed steps. */
  readonly steps: readonly { readonly loss: number; readonly gradNorm: number }[];
  /** Gradients of every parameter before the first step. */
  readonly gradients: Readonly<Record<string, readonly number[]>>;
  /** Weights, optimizer moments and averages after the last step. */
  readonly state: Readonly<Record<string, readonly number[]>>;
}

/** The tiny multitask network with dropout and drop path, on batches of two rows of each task. */
export async function stepNumbers(device: GpuDevice): Promise<StepNumbers> {
  const rig = makeRig(device, { network: NOISY });
  const gradients = await gradientsOf(rig.model);
  const steps: { loss: number; gradNorm: number }[] = [];
  for (let step = 0; step < 3; step++) {
    const { losses, gradNorm } = await rig.step.run(makeBatch(2, 2, step), step, 1e-3);
    steps.push({ loss: losses.total, gradNorm });
  }
  const state = Object.fromEntries(Object.entries(await stateOf(rig)).map(([name, data]) => [name, Array.from(data)]));
  rig.dispose();
  return { steps, gradients, state };
}

async function gradientsOf(model: ReturnType<typeof makeRig>['model']): Promise<Record<string, number[]>> {
  const batch = makeBatch(2, 2);
  const arranged = arrange(batch, 'supervised');
  const inputs = new StepInputs(engine(), batch, arranged.routes, { gumbel: false });
  inputs.write(batch, arranged);
  const constants = { posWeight: null, retinopathyWeights: null, edemaWeights: null };
  const output = model.forward(inputs.image, inputs.routes);
  const { total } = objective(output, inputs.targets, inputs.routes, LOSS_DEFAULTS, constants, new CountWeighting());
  total.backward();
  const gradients: Record<string, number[]> = {};
  for (const [name, tensor] of model.namedParameters()) {
    if (!tensor.grad) continue;
    gradients[name] = Array.from(await tensor.grad.data(), Number);
    tensor.grad.dispose();
    tensor.grad = null;
  }
  inputs.dispose();
  return gradients;
}

/** The same in a page. */
export async function stepNumbersHere(): Promise<StepNumbers> {
  const { device } = await createBrowserDevice();
  const numbers = await stepNumbers(device);
  device.destroy();
  return numbers;
}
