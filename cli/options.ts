/** Options that several commands have. */

/** The option of every command that computes. */
export const adapterOption = {
  type: 'string',
  default: 'auto',
  describe: 'auto, gpu, software, or a part of an adapter name (see `gmtl doctor`)',
} as const;
