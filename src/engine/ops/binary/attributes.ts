/** The binary operations by name. */

/** Comparisons give 1 where they hold, else 0; none holds of NaN. */
export type ComparisonName = 'equal' | 'less' | 'lessEqual';

export type BinaryName = 'add' | 'sub' | 'mul' | 'div' | ComparisonName;
