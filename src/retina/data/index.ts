export {
  type AugmentOptions,
  DEFAULT_AUGMENT,
  IDRID_NORMALIZATION,
  IMAGENET_NORMALIZATION,
  type Normalization,
} from './loading/augment.ts';
export { type Batch, imageTensor } from './loading/batch.ts';
export { type OpenOptions, openDataset } from './sets/dataset.ts';
export {
  countItems,
  type DatasetCounts,
  type DatasetSummary,
  datasetFingerprint,
  type SplitCounts,
  summariseDataset,
} from './sets/datasetFingerprint.ts';
export { assignFolds, type FoldOptions } from './sets/folds.ts';
export type { CropBox, RgbImage } from './pictures/fov.ts';
export { type MaskResize, mapMaskToFrame } from './pictures/geometry.ts';
export { type IdridScan, readIdrid, scanIdrid } from './sets/idrid.ts';
export { type JoinResult, joinLabels } from './sets/join.ts';
export {
  effectiveNumberWeights,
  type GradingRow,
  OFFICIAL_COUNTS,
  OFFICIAL_MASKS,
  readGradingCsv,
} from './sets/labels.ts';
export {
  DEFAULT_LOADER,
  evaluationBatches,
  type LoaderOptions,
  type LoaderTiming,
  SampleSource,
  type SkippedItem,
  TrainLoader,
} from './loading/loader.ts';
export { type BinaryMask, decodeMask, type MaskOptions } from './pictures/mask.ts';
export { loadMetadata, type Metadata, type MetadataOptions, type MetadataRow, writeMetadata } from './sets/metadata.ts';
export { type ClaheOptions, DEFAULT_CLAHE } from './pictures/clahe.ts';
export {
  DEFAULT_PREPROCESS,
  decodeImage,
  type PreprocessOptions,
  preprocessImage,
  preprocessItem,
  type Sample,
} from './pictures/preprocess.ts';
export { type Draw, type SamplerOptions, type SamplerState, TaskBalancedSampler } from './loading/sampler.ts';
export { carveValidation, DEFAULT_SPLIT, type SplitOptions } from './sets/split.ts';
export { type SystemBEntry, type SystemBListOptions, writeSystemB } from './sets/systemB.ts';
export type { TileOptions } from './loading/tiles.ts';
export {
  type Dataset,
  type DatasetItem,
  EDEMA_GRADES,
  STRUCTURE_NAMES,
  STRUCTURES,
  type Structure,
  type MaskPaths,
  RETINOPATHY_GRADES,
  type Split,
  selectItems,
  type Task,
  TASKS,
} from '../domain.ts';
export { type VerifyOptions, type VerifyResult, verifyDataset } from './check/verify.ts';
export { formatVerifyReport, verifyReportData } from './check/verifyText.ts';
