/**
 * Metrics in float64 on the CPU; pure functions of labels, probabilities and masks. Results are plain objects that JSON can hold;
 * NaN marks a figure that the cases leave undefined, and JSON writes it (and an infinite threshold) as null.
 */
export * from './bootstrap.ts';
export * from './calibration.ts';
export * from './components.ts';
export * from './confusion.ts';
export * from './detections.ts';
export * from './froc.ts';
export * from './gate.ts';
export * from './gradingIntervals.ts';
export * from './grading.ts';
export { argmax, decideGrade, type GradeDecision, type Numbers, predictedClasses } from './inputs.ts';
export * from './precisionRecall.ts';
export * from './ranking.ts';
export * from './scoreHistogram.ts';
export * from './segmentationIntervals.ts';
export * from './segmentation.ts';
export * from './temperature.ts';
export * from './thresholds.ts';
export * from './weighted.ts';
