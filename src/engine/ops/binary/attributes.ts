/** The binary operations by name. */

/** `equal` gives 1 where a = b, else 0; it serves gradients and is not an op of its own. */
export type BinaryName = 'add' | 'sub' | 'mul' | 'div' | 'equal';
