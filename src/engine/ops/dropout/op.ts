/** The ops of dropout and stochastic depth: gradient and cases. */
import { type Case, defineOp, type Op, type Callable } from '../definition.ts';
import type { DropoutAttributes, DropPathAttributes } from './attributes.ts';
import { dropoutCases, dropPathCases } from './cases.ts';
import { dropoutProgram, dropPathProgram } from './program.ts';

/** An op whose gradient is the op itself on the gradient, under the same seed: the mask is made again, not stored. */
function selfAdjoint<A extends object>(forward: Callable<A>, cases: readonly Case<A>[]): Op<A> {
  return defineOp<A>({
    name: forward.name,
    forward,
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

/**
 * (x, seed = u32 [seed, stream]) → dropout. Element i survives where `uniformAt(seed, stream, i)` is at least p (with granularity 'channel'
 * i counts samples times channels of the last axis): the same mask on every adapter. The seed is a tensor, so that a captured step
 * can be replayed with another one.
 */
export const dropout = selfAdjoint<DropoutAttributes>(dropoutProgram, dropoutCases);

/** (x [N, …], seed = u32 [seed, stream]) → stochastic depth (Huang et al., ECCV 2016): sample n survives where uniformAt(seed, stream, n) is at least p. */
export const dropPath = selfAdjoint<DropPathAttributes>(dropPathProgram, dropPathCases);
