import type { Shape } from '../../tensor/spec.ts';
import { type Case, type CaseInput, defineOp, ELEMENTWISE_TOLERANCE, type Op, type Program } from '../definition.ts';
import { type DropoutAttributes, type DropPathAttributes, dropoutProgram, dropPathProgram } from './program.ts';

/** An op whose gradient is the op itself on the gradient, under the same seed: the mask is made again, not stored. */
function selfAdjoint<A extends object>(forward: Program<A>, cases: readonly Case<A>[]): Op<A> {
  return defineOp<A>({
    name: forward.name,
    forward,
    half: 'all',
    gradient: {
      saves: { inputs: [1] },
      backward: (context) => [
        context.run(forward, [context.gradOutput, context.input(1)], context.attributes)[0],
        null,
      ],
    },
    cases,
  });
}

function dropCase<A extends object>(
  name: string,
  shape: Shape,
  attributes: A,
  purpose: Case['purpose'] = ['test', 'gradient'],
  seed: readonly [number, number] = [42, 7],
): Case<A> {
  const inputs: CaseInput[] = [{ shape }, { shape: [2], dtype: 'u32', fill: { values: seed } }];
  return { name, inputs, attributes, purpose, tolerance: ELEMENTWISE_TOLERANCE };
}

/**
 * (x, seed = u32 [seed, stream]) → dropout. Element i survives where `uniformAt(seed, stream, i)` is at least p (with granularity 'channel'
 * i counts samples times channels of the last axis): the same mask on every adapter. The seed is a tensor, so that a captured step
 * can be replayed with another one.
 */
export const dropout = selfAdjoint<DropoutAttributes>(dropoutProgram, [
  dropCase('tiny', [3, 5], { p: 0.5 }),
  dropCase('nothing dropped', [2, 4], { p: 0 }),
  dropCase('all dropped', [2, 4], { p: 1 }, ['test']),
  dropCase('odd count, large seed', [7, 13, 11], { p: 0.1 }, ['test'], [4_294_967_295, 3_000_000_000]),
  dropCase('channels', [3, 2, 2, 5], { p: 0.5, granularity: 'channel' }),
  dropCase('channels in fours', [2, 3, 3, 8], { p: 0.25, granularity: 'channel' }, ['test']),
  dropCase('features before the head, ConvNeXt-T, N64', [64, 768], { p: 0.2 }, ['bench']),
  dropCase('map, U-Net 56, N4', [4, 56, 56, 64], { p: 0.1 }, ['bench']),
]);

/** (x [N, …], seed = u32 [seed, stream]) → stochastic depth (Huang et al., ECCV 2016): sample n survives where uniformAt(seed, stream, n) is at least p. */
export const dropPath = selfAdjoint<DropPathAttributes>(dropPathProgram, [
  dropCase('tiny', [6, 2, 3], { p: 0.5 }),
  dropCase('vector', [5], { p: 0.4 }),
  dropCase('in fours', [5, 3, 3, 4], { p: 0.3 }, ['test']),
  dropCase('ConvNeXt-T stage 3, N8', [8, 14, 14, 384], { p: 0.1 }, ['bench']),
]);
