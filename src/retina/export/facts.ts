/** What an export says of a network in its own metadata. */
import { gmtlVersion } from '../../engine/node/version.ts';
import type { TrainConfig } from '../config/schema.ts';
import { loaderSettings } from '../data/loading/settings.ts';
import { GRADINGS, STRUCTURE_NAMES, TASKS } from '../domain.ts';
import { calibratedTemperatures, calibratedThresholds } from '../evaluate/applyCalibration.ts';
import type { Calibration } from '../run/calibrationFormat.ts';
import { trainedOnText } from '../run/trainingSetFormat.ts';
import { weightsHash } from '../run/weightsHash.ts';
import type { ExportTask } from './forward.ts';
import type { ExportSource } from './source.ts';

const NOT_A_DEVICE =
  'Research software, not a medical device: its output is not a diagnosis and must not be used to decide on the care of a patient.';
const LICENSE =
  'Software: MIT. The weights follow the license of the pictures they were trained on (IDRiD: CC BY 4.0, Porwal, Pachade and Kokare, Data 3(3):25, 2018).';

/** Temperatures and thresholds as they are used: those of the calibration, else 1 and 0.5. */
function settings(config: TrainConfig, calibration: Calibration | null) {
  const fitted = calibration ? calibratedThresholds(calibration) : {};
  return {
    temperatures: calibration ? calibratedTemperatures(calibration) : null,
    thresholds: Object.fromEntries(config.model.structures.map((structure) => [structure, fitted[structure] ?? 0.5])),
  };
}

/** How a picture is prepared before the network's own normalization, as JSON-able facts. */
function preparation({ data }: TrainConfig) {
  return {
    crop: 'field of view: the bounding box of the bright disc, padded with black to a square',
    size: data.imageSize,
    resize: 'Lanczos (a = 3) when shrinking, cubic when enlarging',
    clahe: data.clahe === false ? null : data.clahe,
    benGraham: data.benGraham,
    order: ['crop', 'resize', 'clahe', 'benGraham', 'divide by 255'],
    tiles: data.tiles.mode === 'on' ? { side: data.tiles.side, overlap: data.tiles.overlap } : null,
  };
}

/** Facts by name, as text or JSON: what goes into ONNX's `metadata_props`. */
export function exportFacts(
  {
    trained,
    calibration,
    dataFingerprint,
    trainingSet,
  }: Pick<ExportSource, 'trained' | 'calibration' | 'dataFingerprint' | 'trainingSet'>,
  task: ExportTask,
): Record<string, string> {
  const { config, weights, averaged, step } = trained;
  const { temperatures, thresholds } = settings(config, calibration);
  const { structures, grades, gradeDecision } = config.model;
  const labels = {
    masks: structures.map((structure) => STRUCTURE_NAMES[structure]),
    ...(grades === 'edema' ? {} : { retinopathy: GRADINGS.retinopathy.grades }),
    ...(grades === 'retinopathy' ? {} : { edema: GRADINGS.edema.grades }),
    gate: TASKS,
  };
  const { mean, std } = loaderSettings(config).normalization;
  return {
    not_a_medical_device: NOT_A_DEVICE,
    license: LICENSE,
    gmtl_version: gmtlVersion(),
    weights_sha256: weightsHash(weights),
    weights: averaged ? 'average' : 'raw',
    step: step === undefined ? 'unknown' : String(step),
    data_fingerprint: dataFingerprint ?? 'unknown',
    trained_on: trainedOnText(trainingSet),
    task,
    architecture: config.model.architecture,
    input: `RGB in 0 … 1, [batch, 3, height, width]; trained at ${config.data.imageSize} x ${config.data.imageSize}; height and width must be multiples of 32`,
    preprocessing: JSON.stringify(preparation(config)),
    normalization: JSON.stringify({ inside: true, mean, std }),
    structures: JSON.stringify(structures),
    labels: JSON.stringify(labels),
    thresholds: JSON.stringify(thresholds),
    temperatures: temperatures ? JSON.stringify(temperatures) : 'not calibrated',
    grade_decision: gradeDecision,
    routing: config.training.routing,
    config: JSON.stringify(config),
  };
}
