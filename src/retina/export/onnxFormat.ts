/** `--format onnx`: the network as an ONNX model, and examples in Python and JavaScript that run it. */
import { setEngine } from '../../engine/autograd/currentEngine.ts';
import { Engine } from '../../engine/autograd/engine.ts';
import { gmtlVersion } from '../../engine/node/version.ts';
import { exportOnnx } from '../../engine/onnx/export.ts';
import type { Opset } from '../../engine/onnx/graph.ts';
import { ReferenceBackend } from '../../engine/ops/referenceBackend.ts';
import type { TrainConfig } from '../config/schema.ts';
import { buildModel } from '../network/build.ts';
import type { MultitaskNet } from '../network/network.ts';
import { withPrecision } from '../network/precision.ts';
import { restoreWeights } from '../network/weights.ts';
import type { Calibration } from '../run/calibrationFormat.ts';
import { javaScriptExample, pythonExample } from './examples.ts';
import { exportFacts } from './facts.ts';
import { exportedForward, type ExportTask } from './forward.ts';
import type { ExportFormat } from './source.ts';

const MODEL = 'model.onnx';

/** What a model is made of. */
export interface OnnxModelParts {
  readonly model: MultitaskNet;
  readonly config: TrainConfig;
  readonly calibration: Calibration | null;
  readonly task: ExportTask;
  readonly opset: Opset;
  readonly facts: Readonly<Record<string, string>>;
}

/** The ONNX model of a network, in bytes. Batch, height and width are open; heights and widths must be multiples of 32. */
export function onnxModel({ model, config, calibration, task, opset, facts }: OnnxModelParts): Promise<Uint8Array> {
  return exportOnnx(model, {
    inputs: [{ name: 'image', shape: ['batch', 3, 'height', 'width'] }],
    sizes: { batch: [2, 3], height: [64, 160], width: [64, 448] },
    forward: exportedForward(model, config, calibration, task),
    opset,
    metadata: facts,
    description: facts.not_a_medical_device,
    producerVersion: gmtlVersion(),
  });
}

export const onnxFormat: ExportFormat = {
  description: 'a model for ONNX Runtime and others, with examples in Python and JavaScript that run it',
  async files(source, { task = 'both', opset = 17, calibrated = true }) {
    const config = withPrecision(source.trained.config, 'f32');
    const calibration = calibrated ? source.calibration : null;
    const facts = exportFacts({ ...source, calibration }, task);
    // An export computes nothing: it takes no adapter.
    const engine = new Engine(new ReferenceBackend());
    const previous = setEngine(engine);
    try {
      const model = buildModel(engine, config);
      restoreWeights(model, source.trained.weights, source.trained.path);
      const about = { model: MODEL, config, facts };
      return new Map<string, string | Uint8Array>([
        ['run.py', pythonExample(about)],
        ['run.mjs', javaScriptExample(about)],
        [MODEL, await onnxModel({ model, config, calibration, task, opset, facts })],
      ]);
    } finally {
      setEngine(previous);
    }
  },
};
