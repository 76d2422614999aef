/** The ops of resizing: gradient and cases. */
import { defineOp, type Op } from '../definition.ts';
import type { Resampling, ResizeAttributes } from './attributes.ts';
import { resizeCases } from './cases.ts';
import { resizePrograms } from './program.ts';

function opOf(name: string, kind: Resampling): Op<ResizeAttributes> {
  const { forward, backward } = resizePrograms(name, kind);
  return defineOp<ResizeAttributes>({
    name,
    forward,
    programs: [backward],
    gradient: {
      saves: {},
      backward: (context) =>
        context.run(backward, [context.gradOutput], {
          ...context.attributes,
          inputShape: context.inputSpecs[0].shape,
        }),
    },
    cases: resizeCases(kind),
  });
}

/** x [N, H, W, C] resized to `size` by repeating (or leaving out) pixels, as torch.nn.functional.interpolate(mode='nearest'). */
export const upsampleNearest2d = opOf('upsampleNearest2d', 'nearest');

/** x [N, H, W, C] resized to `size` bilinearly, as torch.nn.functional.interpolate(mode='bilinear', antialias=False). */
export const upsampleBilinear2d = opOf('upsampleBilinear2d', 'bilinear');
