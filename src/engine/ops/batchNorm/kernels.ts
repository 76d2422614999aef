/** The kernels of batch normalization: those that walk columns one by one and in fours, and the one that ends the statistics. */
import { kernel } from '../../gpu/shaderKernel.ts';

const pair = (name: string) => ({ scalar: kernel(`batchNorm/${name}`), vec4: kernel(`batchNorm/${name}Vec4`) });

export const statsKernels = pair('stats');
export const normalizeKernels = pair('normalize');
export const gradSumsKernels = pair('gradSums');
export const gradInputKernels = pair('gradInput');
export const finishKernel = kernel('batchNorm/finish');
