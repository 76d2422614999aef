/** Pictures and tables of a run: training curves, confusion matrices, reliability diagrams, lesion overlays, terminal tables. */
export * from './colours.ts';
export * from './confusion.ts';
export { type CurveOptions, type EpochRow, renderCurves, type SplitValues, writeCurves } from './curves.ts';
export {
  type LesionMasks,
  type OverlayOptions,
  type RgbImage,
  renderComparison,
  renderOverlay,
  writeComparison,
  writeOverlay,
} from './overlay.ts';
export * from './html/index.ts';
export * from './metricsPlot.ts';
export * from './png.ts';
export * from './reliability.ts';
export * from './sampleGrid.ts';
export * from './table.ts';
