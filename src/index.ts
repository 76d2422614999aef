/**
 * gmtl as a library in Node: what a browser has too (see src/browser.ts), and adapters, engines and weight files.
 *
 * @module gmtl
 */
export * from './browser.ts';
export { type AdapterChoice, listAdapters } from './engine/node/open.ts';
export { createEngine, type CreateEngineOptions, type OpenedEngine, withEngine } from './engine/node/createEngine.ts';
export { exportOnnx, type OnnxInput, type OnnxOptions } from './engine/onnx/export.ts';
export { readTorchFile, type TorchWeights } from './engine/io/torchFile.ts';
export { readOnnxWeights } from './engine/onnx/readWeights.ts';
export { readSafetensors, writeSafetensors } from './engine/node/safetensorsFile.ts';
export { type EvaluateRunOptions, type EvaluationRecord, evaluateRun } from './retina/evaluate/run.ts';
export { type Sampled, type SampleRunOptions, sampleRun } from './retina/evaluate/sample.ts';
export { calibratedThresholds, calibrateResult } from './retina/evaluate/applyCalibration.ts';
export { calibrationOf } from './retina/run/calibration.ts';
export type { Calibration } from './retina/run/calibrationFormat.ts';
export { inferImage } from './retina/predict/image.ts';
export { inferPicture, type InferOptions, type PreparePicture } from './retina/predict/picture.ts';
export type { Inferred, InferResult } from './retina/predict/result.ts';
export {
  inferPictures,
  type InferPicturesOptions,
  type InferSummary,
  type PictureOutcome,
} from './retina/predict/inferPictures.ts';
export { collectInputs, type InferInput } from './retina/predict/inputs.ts';
export { openPredictor, type OpenPredictorOptions } from './retina/predict/openPredictor.ts';
export type { Prediction, TaskChoice } from './retina/predict/prediction.ts';
export { PictureNetwork, type PredictOptions, type Predict } from './retina/predict/pictureNetwork.ts';
export { Predictor, type PredictorParts } from './retina/predict/predictor.ts';
export { openResults, type ResultsFolder } from './retina/predict/results.ts';
export { SYSTEM_A_TILING, type Tiling } from './retina/predict/slidingWindow.ts';
export { loadTrainedWeights, newestRun, type TrainedWeights } from './retina/run/trainedWeights.ts';
export { resolveConfig } from './retina/config/resolve.ts';
export type { TrainConfig } from './retina/config/schema.ts';
export { CrossValidationFolder } from './retina/run/crossValidationFolder.ts';
export { RunFolder } from './retina/run/runFolder.ts';
export { type NewTraining, resumeTraining, startCrossValidation, startTraining } from './retina/train/train.ts';
export { formatInitReport, initFromFile, type InitOptions, type InitReport } from './retina/train/init.ts';
export type { TrainRunOptions } from './retina/train/trainRun.ts';
