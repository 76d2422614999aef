/** What dropout and stochastic depth are set by. */

export interface DropPathAttributes {
  /** Probability to drop, in [0, 1]. */
  readonly p: number;
}

export interface DropoutAttributes extends DropPathAttributes {
  /** What is dropped together: each element by itself (default), or a sample's whole channel (Dropout2d). */
  readonly granularity?: 'element' | 'channel';
}

/** What survivors are multiplied by, so that the expectation stays. With p = 1 there are none. */
export const survivorScale = (p: number): number => (p < 1 ? 1 / (1 - p) : 0);
