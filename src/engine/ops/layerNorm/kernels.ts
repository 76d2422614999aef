/** The kernels of layer normalization. */
import { kernel } from '../../gpu/shaderKernel.ts';

export const forwardKernels = {
  rows: kernel('layerNorm/forward'),
  vec4: kernel('layerNorm/forwardVec4'),
  workgroup: kernel('layerNorm/forwardWorkgroup'),
};
export const gradInputKernels = {
  rows: kernel('layerNorm/gradInput'),
  vec4: kernel('layerNorm/gradInputVec4'),
  workgroup: kernel('layerNorm/gradInputWorkgroup'),
};
export const gradParametersKernel = kernel('layerNorm/gradParameters');
export const gradParametersVec4Kernel = kernel('layerNorm/gradParametersVec4');
export const forwardLanesKernel = kernel('layerNorm/forwardLanes');
export const backwardLanesKernel = kernel('layerNorm/backwardLanes');
