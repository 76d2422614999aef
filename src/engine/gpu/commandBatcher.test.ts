/** Tier: no adapter. Where submits end: between programs, by the work that these state. */
import { expect, it } from 'vitest';
import { type BoundDispatch, CommandBatcher } from './commandBatcher.ts';
import type { Submits } from './submits.ts';

/** What the queue got: the dispatches of each submit, by label. */
function submitsOf(
  dispatches: readonly (readonly [label: string, seconds: number])[],
  limit: number,
  flushAfter = '',
): string[] {
  const submits: string[] = [];
  let open: string[] = [];
  const pass = {
    setPipeline: () => undefined,
    setBindGroup: () => undefined,
    dispatchWorkgroups: (label: unknown) => open.push(String(label)),
    end: () => undefined,
  };
  const device = {
    createCommandEncoder: () => ({ beginComputePass: () => pass, finish: () => ({}) }),
    queue: {
      submit: () => {
        submits.push(open.join(' '));
        open = [];
      },
    },
  };
  const batcher = new CommandBatcher(
    device as unknown as GPUDevice,
    { next: 1, submit: (work: () => void) => work() } as Submits,
    limit,
  );
  for (const [label, seconds] of dispatches) {
    const workgroups = [label, 1, 1] as unknown as BoundDispatch['workgroups'];
    const objects = { pipeline: {} as GPUComputePipeline, bindGroup: {} as GPUBindGroup };
    batcher.dispatch({ ...objects, workgroups, label, seconds });
    if (label === flushAfter) batcher.flush();
  }
  batcher.flush();
  return submits;
}

it('a submit ends before the program that would make it too long, and never within a program', () => {
  const large = [
    ['A0', 1],
    ['A1', 0],
    ['A2', 0],
    ['B0', 0.2],
    ['B1', 0],
    ['C0', 0.09],
    ['D0', 0.02],
  ] as const;
  expect(submitsOf(large, 0.3)).toEqual(['A0 A1 A2', 'B0 B1 C0', 'D0']);
});

it('what a program has yet to do counts after a submit that is full of dispatches', () => {
  const many = Array.from({ length: 520 }, (_, index) => [`A${index}`, index === 0 ? 0.2 : 0] as const);
  const submits = submitsOf([...many, ['B0', 0.2]], 0.3);
  expect(submits.map((submit) => submit.split(' ').length)).toEqual([512, 8, 1]);
  // The program ends with the full submit: once that is flushed, nothing is left of it.
  const whole = submitsOf([...many.slice(0, 512), ['B0', 0.2], ['C0', 0.05]], 0.3, 'A511');
  expect(whole.map((submit) => submit.split(' ').length)).toEqual([512, 2]);
});
