/** `--format torch`: the weights as safetensors, and a PyTorch file that holds the network and loads them. */
import { encodeSafetensors, type StoredTensors } from '../../engine/io/safetensors.ts';
import { CONVNEXT_VARIANTS } from '../../engine/models/convnext.ts';
import { RESNET_VARIANTS } from '../../engine/models/resnet.ts';
import type { TrainConfig } from '../config/schema.ts';
import { loaderSettings } from '../data/loading/settings.ts';
import { calibratedTemperatures } from '../evaluate/applyCalibration.ts';
import { gradeOutputs, readsPooled } from '../network/network.ts';
import type { Calibration } from '../run/calibrationFormat.ts';
import { pythonExample } from './examples.ts';
import { exportFacts } from './facts.ts';
import type { ExportFormat } from './source.ts';
import { torchCode, type TorchSetting } from './torchCode.ts';

const WEIGHTS = 'model.safetensors';
const NETWORK = 'network.py';

/** What the generated file's CONFIG holds. */
function settingsOf(config: TrainConfig, calibration: Calibration | null): TorchSetting {
  const { model, loss, training } = config;
  const { mean, std } = loaderSettings(config).normalization;
  const ordinal = loss.gradeLoss === 'corn';
  const tasks = (['retinopathy', 'edema'] as const).filter((task) => model.grades === 'both' || model.grades === task);
  const common = {
    mean,
    std,
    masks: model.structures.length,
    grade_outputs: Object.fromEntries(tasks.map((task) => [task, gradeOutputs(task, ordinal)])),
    grade_features: model.gradeFeatures,
    gate_features: model.gateFeatures,
    ordinal,
    soft_routing: training.routing === 'soft',
    temperatures: { ...(calibration ? calibratedTemperatures(calibration) : { retinopathy: 1, edema: 1, gate: 1 }) },
  };
  if (model.architecture === 'resnet-unet') {
    const { encoder, channels, classifier, routerDropout, expertDropout } = model.unet;
    const { depths, widths } = typeof encoder === 'string' ? RESNET_VARIANTS[encoder] : encoder;
    return {
      ...common,
      mask_prior_logit: 0,
      depths,
      widths,
      decoder_channels: channels,
      experts: classifier === 'experts',
      router_dropout: routerDropout,
      expert_dropout: expertDropout,
    };
  }
  const { depths, dims } = typeof model.trunk === 'string' ? CONVNEXT_VARIANTS[model.trunk] : model.trunk;
  return {
    ...common,
    mask_prior_logit: Math.log(model.maskPrior / (1 - model.maskPrior)),
    depths,
    dims,
    head_norm: model.headNorm && readsPooled(model),
    head_dropout: model.headDropout,
    gate_hidden: model.gateHidden,
    retinopathy_hidden: model.retinopathyHidden,
    edema_hidden: model.edemaHidden,
    decoder_channels: model.decoderChannels,
    decoder_norm: model.decoderNorm,
    decoder_dropout: model.decoderDropout,
    skip_connections: model.skipConnections,
  };
}

/** The network as a PyTorch file, and the weights that it loads, by their names. */
export function torchModel(
  config: TrainConfig,
  calibration: Calibration | null,
  weights: StoredTensors,
): Map<string, string | Uint8Array> {
  return new Map<string, string | Uint8Array>([
    [NETWORK, torchCode(config.model.architecture, settingsOf(config, calibration), WEIGHTS)],
    [WEIGHTS, encodeSafetensors(weights, { format: 'pt' })],
  ]);
}

export const torchFormat: ExportFormat = {
  description: 'safetensors, and a readable PyTorch file that holds the network and loads them',
  async files(source, { calibrated = true }) {
    const { config, weights } = source.trained;
    const calibration = calibrated ? source.calibration : null;
    const facts = exportFacts({ ...source, calibration }, 'both');
    return new Map<string, string | Uint8Array>([
      ['run.py', pythonExample({ model: NETWORK, config, facts })],
      ['model.json', `${JSON.stringify(facts, null, 2)}\n`],
      ...torchModel(config, calibration, weights),
    ]);
  },
};
