export {
  type AugmentOptions,
  DEFAULT_AUGMENT,
  IDRID_NORMALISATION,
  IMAGENET_NORMALISATION,
  type Normalisation,
} from './augment.ts';
export { type Batch, imageTensor } from './batch.ts';
export { defaultCacheFolder } from './cachefolder.ts';
export { type OpenOptions, openDataset } from './dataset.ts';
export {
  countItems,
  type DatasetCounts,
  type DatasetSummary,
  datasetFingerprint,
  type SplitCounts,
  summariseDataset,
} from './datasetfingerprint.ts';
export { assignFolds, type FoldOptions } from './folds.ts';
export type { CropBox, RgbImage } from './fov.ts';
export { type MaskResize, mapMaskToFrame } from './geometry.ts';
export { type IdridScan, readIdrid, scanIdrid } from './idrid.ts';
export { type JoinResult, joinLabels } from './join.ts';
export { effectiveNumberWeights, type GradingRow, OFFICIAL_COUNTS, OFFICIAL_MASKS, readGradingCsv } from './labels.ts';
export {
  DEFAULT_LOADER,
  evaluationBatches,
  type LoaderOptions,
  type LoaderTiming,
  SampleSource,
  type SkippedItem,
  TrainLoader,
} from './loader.ts';
export { type BinaryMask, decodeMask, type MaskOptions } from './mask.ts';
export { loadMetadata, type Metadata, type MetadataOptions, type MetadataRow, writeMetadata } from './metadata.ts';
export { type ClaheOptions, DEFAULT_CLAHE } from './clahe.ts';
export {
  DEFAULT_PREPROCESS,
  decodeImage,
  type PreprocessOptions,
  preprocessImage,
  preprocessItem,
  type Sample,
} from './preprocess.ts';
export { type Draw, type SamplerOptions, type SamplerState, TaskBalancedSampler } from './sampler.ts';
export { carveValidation, DEFAULT_SPLIT, type SplitOptions } from './split.ts';
export { type SystemBEntry, type SystemBListOptions, writeSystemB } from './systemb.ts';
export type { TileOptions } from './tiles.ts';
export {
  type Dataset,
  type DatasetItem,
  EDEMA_GRADES,
  LESION_NAMES,
  LESIONS,
  type Lesion,
  type MaskPaths,
  RETINO_GRADES,
  type Split,
  selectItems,
  type Task,
  TASKS,
} from './types.ts';
export { type VerifyOptions, type VerifyResult, verifyDataset } from './verify.ts';
export { formatVerifyReport, verifyReportData } from './verifyreport.ts';
