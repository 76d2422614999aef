/** The forward pass that leaves for other programs: from a picture to calibrated probabilities, with everything that arithmetic can hold inside. */
import type { Tensor } from '../../engine/autograd/tensor.ts';
import * as F from '../../engine/nn/functional.ts';
import type { TrainConfig } from '../config/schema.ts';
import { loaderSettings } from '../data/loading/settings.ts';
import { calibratedTemperatures } from '../evaluate/applyCalibration.ts';
import type { MultitaskNet } from '../network/network.ts';
import { blendExperts } from '../network/routing.ts';
import type { Calibration } from '../run/calibrationFormat.ts';

/** The experts that are exported. */
export type ExportTask = 'both' | 'grades' | 'masks';

/** Outputs by the names that files give them; null where the network or the task has none. */
export interface ExportedOutputs {
  readonly [name: string]: Tensor | null;
  /** [N, structures, H, W] */
  readonly mask_probabilities: Tensor | null;
  /** [N, 5] */
  readonly retinopathy_probabilities: Tensor | null;
  /** [N, 3] */
  readonly edema_probabilities: Tensor | null;
  /** [N, 2]: segmentation, classification. */
  readonly gate_probabilities: Tensor;
}

/** float32's smallest normal number, as `applyTemperature` adds it to probabilities before their logarithm. */
const TINY = 2 ** -126;

/**
 * The function from pictures [N, 3, H, W], RGB in 0 … 1, prepared but not normalized, to probabilities. Experts that were trained with soft
 * routing are blended by the gate; temperatures are applied where a calibration is given.
 */
export function exportedForward(
  model: MultitaskNet,
  config: TrainConfig,
  calibration: Calibration | null,
  task: ExportTask,
): (image: Tensor) => ExportedOutputs {
  const { mean, std } = loaderSettings(config).normalization;
  const temperatures = calibration ? calibratedTemperatures(calibration) : { retinopathy: 1, edema: 1, gate: 1 };
  const tempered = (logits: Tensor, temperature: number): Tensor =>
    F.softmax(temperature === 1 ? logits : logits.mul(1 / temperature));
  const graded = (logits: Tensor | null, temperature: number): Tensor | null => {
    if (logits === null) return null;
    if (!model.ordinal) return tempered(logits, temperature);
    const probabilities = F.cornProbabilities(logits);
    return temperature === 1 ? probabilities : tempered(probabilities.add(TINY).log(), temperature);
  };
  return (image) => {
    const { engine } = image;
    const [count, , height, width] = image.shape;
    const all = Array.from({ length: count }, (_, row) => row);
    const routes = {
      segmentation: task === 'grades' ? [] : all,
      classification: task === 'masks' ? [] : all,
    };
    const normalized = image
      .permute([0, 2, 3, 1])
      .mul(engine.tensor(std.map((value) => 1 / value)))
      .add(engine.tensor(mean.map((value, channel) => -value / std[channel])));
    const encoded = model.encode(normalized);
    const experts = model.experts(encoded, routes, height, width);
    const blended = config.training.routing === 'soft';
    const { maskLogits, retinopathyLogits, edemaLogits } = blended
      ? blendExperts(experts, F.softmax(encoded.gateLogits), routes, model.maskPriorLogit)
      : experts;
    return {
      mask_probabilities: maskLogits?.sigmoid().permute([0, 3, 1, 2]) ?? null,
      retinopathy_probabilities: graded(retinopathyLogits, temperatures.retinopathy),
      edema_probabilities: graded(edemaLogits, temperatures.edema),
      gate_probabilities: tempered(encoded.gateLogits, temperatures.gate),
    };
  };
}
