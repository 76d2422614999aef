/** Convolution and its gradients in float64. */
import { type ConvolutionGeometry, inputShape, outputShape, weightShape } from './geometry.ts';
import { sizeOf } from '../../tensor/spec.ts';

/** Calls `visit(input index, weight index, output index)` for every product that a convolution adds up. */
export function forEachProduct(
  geometry: ConvolutionGeometry,
  visit: (input: number, weight: number, output: number) => void,
): void {
  const { batch, input, inChannels, output, outChannels, kernel, stride, padding, dilation, groups } = geometry;
  const inPerGroup = inChannels / groups;
  const outPerGroup = outChannels / groups;
  for (let n = 0; n < batch; n++) {
    for (let oy = 0; oy < output[0]; oy++) {
      for (let ox = 0; ox < output[1]; ox++) {
        for (let ky = 0; ky < kernel[0]; ky++) {
          const iy = oy * stride[0] + ky * dilation[0] - padding[0];
          if (iy < 0 || iy >= input[0]) continue;
          for (let kx = 0; kx < kernel[1]; kx++) {
            const ix = ox * stride[1] + kx * dilation[1] - padding[1];
            if (ix < 0 || ix >= input[1]) continue;
            const inputPixel = ((n * input[0] + iy) * input[1] + ix) * inChannels;
            const outputPixel = ((n * output[0] + oy) * output[1] + ox) * outChannels;
            const tap = (ky * kernel[1] + kx) * inPerGroup;
            for (let co = 0; co < outChannels; co++) {
              const first = Math.floor(co / outPerGroup) * inPerGroup;
              for (let ci = 0; ci < inPerGroup; ci++) {
                visit(inputPixel + first + ci, (tap + ci) * outChannels + co, outputPixel + co);
              }
            }
          }
        }
      }
    }
  }
}

/** relu?(out + bias), the bias a number for each place of the last axis. */
export function finished(out: Float64Array, bias: Float64Array | undefined, relu: boolean): Float64Array {
  return out.map((value, index) => {
    const shifted = value + (bias ? bias[index % bias.length] : 0);
    return relu ? Math.max(shifted, 0) : shifted;
  });
}

/** relu?(x * weight + bias). */
export function referenceForward(
  geometry: ConvolutionGeometry,
  x: Float64Array,
  weight: Float64Array,
  bias: Float64Array | undefined,
  relu: boolean,
): Float64Array {
  const out = new Float64Array(sizeOf(outputShape(geometry)));
  forEachProduct(geometry, (i, w, o) => {
    out[o] += x[i] * weight[w];
  });
  return finished(out, bias, relu);
}

/** The gradient of the input, which is also a transposed convolution of `gradOutput`, plus `addend` where there is one. */
export function referenceGradInput(
  geometry: ConvolutionGeometry,
  gradOutput: Float64Array,
  weight: Float64Array,
  addend?: Float64Array,
): Float64Array {
  const out = addend?.slice() ?? new Float64Array(sizeOf(inputShape(geometry)));
  forEachProduct(geometry, (i, w, o) => {
    out[i] += gradOutput[o] * weight[w];
  });
  return out;
}

/** gradWeight[w] = sum over images and positions of x * gradOutput, in the weight's layout. */
export function referenceGradWeight(
  geometry: ConvolutionGeometry,
  x: Float64Array,
  gradOutput: Float64Array,
): Float64Array {
  const out = new Float64Array(sizeOf(weightShape(geometry)));
  forEachProduct(geometry, (i, w, o) => {
    out[w] += x[i] * gradOutput[o];
  });
  return out;
}
