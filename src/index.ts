/** gmtl as a library in Node: what a browser has too (see src/browser.ts), and adapters, engines and weight files. */
export * from './browser.ts';
export { type AdapterChoice, listAdapters } from './engine/node/open.ts';
export { createEngine, type CreateEngineOptions, type OpenedEngine, withEngine } from './engine/node/createEngine.ts';
export { readSafetensors, writeSafetensors } from './engine/node/safetensorsFile.ts';
export { type EvaluateRunOptions, type EvaluationRecord, evaluateRun } from './retina/evaluate/run.ts';
export { type Sampled, type SampleRunOptions, sampleRun } from './retina/evaluate/sample.ts';
export { calibrateResult, calibrationOf } from './retina/evaluate/applyCalibration.ts';
export { type Calibration, calibratedThresholds } from './retina/evaluate/calibration.ts';
export { type Inferred, inferImage, type InferOptions, type InferResult } from './retina/predict/image.ts';
export { inferPictures, type InferPicturesOptions, type PictureOutcome } from './retina/predict/inferPictures.ts';
export { collectInputs, type InferInput } from './retina/predict/inputs.ts';
export { openPredictor, type OpenPredictorOptions } from './retina/predict/openPredictor.ts';
export type { Prediction, TaskChoice } from './retina/predict/prediction.ts';
export { type PredictOptions, Predictor, type PredictorParts } from './retina/predict/predictor.ts';
export { openResults, type ResultsFolder } from './retina/predict/results.ts';
export { SYSTEM_A_TILING, type Tiling } from './retina/predict/slidingWindow.ts';
export { loadTrainedWeights, newestRun, type TrainedWeights } from './retina/run/trainedWeights.ts';
