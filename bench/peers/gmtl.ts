/** gmtl as one of the engines; on the reference backend it also computes the results that all engines are checked against. */
import { Replay } from '../../src/engine/autograd/replay.ts';
import type { Tensor } from '../../src/engine/autograd/tensor.ts';
import { setEngine } from '../../src/engine/autograd/currentEngine.ts';
import type { Engine } from '../../src/engine/autograd/engine.ts';
import { convnext } from '../../src/engine/models/convnext.ts';
import * as F from '../../src/engine/nn/functional.ts';
import { AdamW } from '../../src/engine/optim/adamw.ts';
import { type PeerEngine, type Prepared, Unsupported } from './engine.ts';
import { CHECKED_PARAMETERS, EPS, type InputData, type Pass, STEP, type Workload } from './workloads.ts';

type Tensors = Readonly<Record<string, Tensor>>;

function forwardOf(workload: Workload, { a, b, x, w, labels }: Tensors): Tensor {
  const { stride, padding } = workload;
  switch (workload.kind) {
    case 'matmul':
      return a.matmul(b);
    case 'conv2d':
      return F.conv2d(x, w, null, { stride, padding });
    case 'depthwise':
      return F.depthwiseConv2d(x, w, null, { padding });
    case 'layerNorm':
      return F.layerNorm(x, w, b, EPS);
    case 'bilinear':
      return F.upsampleBilinear2d(x, [workload.output[1], workload.output[2]]);
    case 'crossEntropy':
      return F.crossEntropy(x, labels);
    case 'gelu':
      return x.gelu();
    case 'convnext':
      throw new Unsupported('a training step has no plain forward pass here');
  }
}

/** Runs `body` as it is, or captures it at its first run and replays it from then on. */
class Runner {
  readonly #engine: Engine;
  readonly #replays: boolean;
  readonly #body: () => Map<string, Tensor>;
  #replay: Replay<Map<string, Tensor>> | null = null;
  #outputs = new Map<string, Tensor>();

  constructor(engine: Engine, replays: boolean, body: () => Map<string, Tensor>) {
    this.#engine = engine;
    this.#replays = replays;
    this.#body = body;
  }

  async run(): Promise<void> {
    if (this.#replay) {
      this.#replay.run();
    } else if (this.#replays) {
      this.#replay = await Replay.capture(this.#engine, this.#body, { gradients: true });
    } else {
      this.#freeOutputs();
      this.#outputs = this.#body();
      this.#engine.backend.flush?.();
    }
  }

  async read(): Promise<Map<string, ArrayLike<number>>> {
    const read = new Map<string, ArrayLike<number>>();
    for (const [name, tensor] of this.#replay?.result ?? this.#outputs) {
      // In the backend's own precision, so that the reference's float64 is not rounded.
      read.set(name, await tensor.engine.backend.download(tensor.value));
    }
    return read;
  }

  #freeOutputs(): void {
    for (const tensor of this.#outputs.values()) tensor.dispose();
  }

  dispose(): void {
    this.#freeOutputs();
    this.#replay?.dispose();
  }
}

/** One of the kernels' workloads on `engine`. */
function prepareKernel(
  engine: Engine,
  replays: boolean,
  workload: Workload,
  pass: Pass,
  inputs: ReadonlyMap<string, InputData>,
): Prepared {
  const wanted = pass === 'both' ? workload.differentiable : [];
  const tensors: Record<string, Tensor> = {};
  for (const { name, shape } of workload.inputs) {
    tensors[name] = engine.tensor(inputs.get(name)!, shape, { name, requiresGrad: wanted.includes(name) });
  }
  const runner = new Runner(engine, replays, () =>
    engine.scope(() => {
      if (pass === 'forward') return new Map([['y', engine.noGrad(() => forwardOf(workload, tensors)).keep()]]);
      const y = forwardOf(workload, tensors);
      y.backward(workload.output.length === 0 ? undefined : tensors.dy);
      const outputs = new Map([['y', y.detach().keep()]]);
      for (const name of wanted) {
        outputs.set(`d${name}`, tensors[name].grad!.keep());
        tensors[name].grad = null;
      }
      return outputs;
    }),
  );
  return {
    run: () => runner.run(),
    wait: () => engine.backend.synchronize(),
    results: () => runner.read(),
    dispose: () => {
      runner.dispose();
      for (const tensor of Object.values(tensors)) tensor.dispose();
    },
  };
}

/** The training step on `engine`. */
function prepareStep(engine: Engine, replays: boolean, inputs: ReadonlyMap<string, InputData>): Prepared {
  setEngine(engine);
  const model = convnext('atto', { classes: STEP.classes }).train();
  const params = [...model.namedParameters()].map(([name, tensor]) => {
    const data = inputs.get(name);
    if (!data) throw new Error(`the workload has no values for the parameter ${name}`);
    tensor.write(data);
    return { name, tensor };
  });
  const { lr, betas, adamEps: eps, weightDecay } = STEP;
  const optimizer = new AdamW(params, { lr, betas, eps, weightDecay });
  const image = engine.tensor(inputs.get('image')!, [STEP.batch, STEP.size, STEP.size, 3]);
  const labels = engine.tensor(inputs.get('labels')!, [STEP.batch]);
  const runner = new Runner(engine, replays, () =>
    engine.scope(() => {
      const loss = F.crossEntropy(model.forward(image), labels);
      loss.backward();
      optimizer.update();
      optimizer.zeroGrad();
      return new Map([['loss', loss.detach().keep()]]);
    }),
  );
  return {
    run: () => {
      optimizer.advance();
      return runner.run();
    },
    wait: () => engine.backend.synchronize(),
    results: async () => {
      const read = await runner.read();
      if (optimizer.stepCount > 1) return read;
      // After one step the first moment is (1 - beta1) times the gradient.
      const { tensors } = await optimizer.stateDict();
      for (const name of CHECKED_PARAMETERS) {
        const moment = tensors.get(`${name}.exp_avg`)!;
        read.set(
          `g:${name}`,
          Float64Array.from(moment, (value) => value / (1 - betas[0])),
        );
      }
      return read;
    },
    dispose: () => {
      runner.dispose();
      for (const part of [image, labels, optimizer, model]) part.dispose();
      setEngine(null);
    },
  };
}

/** `replays`: a step is captured once and replayed, as `gmtl train` does; otherwise each run is encoded anew. */
export function gmtlEngine(engine: Engine, replays: boolean, info: Readonly<Record<string, string>>): PeerEngine {
  return {
    info,
    prepare: async (workload, pass, inputs) =>
      pass === 'step' ? prepareStep(engine, replays, inputs) : prepareKernel(engine, replays, workload, pass, inputs),
    close: () => engine.backend.destroy(),
  };
}
