/** Metrics in float64 on the CPU; pure functions of labels, probabilities and masks. */
export * from './bootstrap.ts';
export * from './calibration.ts';
export * from './components.ts';
export * from './confusion.ts';
export * from './gate.ts';
export * from './grading-intervals.ts';
export * from './grading.ts';
export { argmax, type Numbers, predictedClasses } from './inputs.ts';
export * from './precision-recall.ts';
export * from './ranking.ts';
export * from './score-histogram.ts';
export * from './segmentation.ts';
