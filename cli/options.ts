/** Options that several commands have. */

/** Stands for a lone `-` among the words, which yargs would leave out: the list of pictures on standard input. */
export const STANDARD_INPUT = '<stdin>';

/** The option of every command that computes. */
export const adapterOption = {
  type: 'string',
  default: 'auto',
  describe: 'auto, gpu, software, or a part of an adapter name (see `gmtl doctor`)',
} as const;

/** The `--precision` of commands that run a trained network. */
export const precisionOption = {
  choices: ['f32', 'f16'],
  describe: "Storage of activations. Default: the run's training.precision",
} as const;

/** The `--weights` of commands that run a trained network. */
export const weightsOption = {
  choices: ['average', 'raw'],
  default: 'average',
  describe: 'The moving average of the weights where the run kept one, or the weights themselves',
} as const;

/** The `--tta` of commands that run a trained network. */
export const flipsOption = {
  type: 'boolean',
  default: false,
  describe: 'Average the predictions of the picture and its mirror images (four times the work)',
} as const;
