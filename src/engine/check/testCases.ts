/** Which cases of an op its kernels are tested on. */
import type { PlanTarget } from '../gpu/kernel.ts';
import type { Case, Op } from '../ops/definition.ts';
import { listCalls, type ProgramCall, storesHalf } from '../ops/invocations.ts';
import { halfCase } from '../ops/storage.ts';
import { DryBackend } from '../ops/tapBackend.ts';
import { sizeOf } from '../tensor/spec.ts';
import { runCase } from './runCase.ts';
import { canRun } from './snapshot.ts';

/** An op's cases for tests, and the same cases in float16 where the op can store that. */
export function testCases(op: Op): Case[] {
  return op.cases
    .filter(({ purpose }) => purpose.includes('test'))
    .flatMap((single) => [single, halfCase(op, single) ?? []].flat());
}

/** What a case executes, forward and backward, by shapes alone. */
export function callsOf(op: Op, testCase: Case): ProgramCall[] {
  return listCalls(new DryBackend(), (backend) => runCase(op, testCase, backend, null));
}

/**
 * Those of an op's cases, taken from the smallest on, that together reach whatever all of them reach.
 * @param reached what a case is there for: a case that reaches nothing new is left out.
 */
export function fewestCases(cases: readonly Case[], reached: (testCase: Case) => readonly string[]): Case[] {
  const size = ({ inputs }: Case): number => inputs.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const known = new Set<string>();
  return [...cases]
    .sort((a, b) => size(a) - size(b))
    .filter((testCase) => {
      const added = reached(testCase).filter((each) => !known.has(each));
      for (const each of added) known.add(each);
      return added.length > 0;
    });
}

/** The versions of programs that a case runs on a target, in float32 or float16, each in words. */
export function versionsReached(target: PlanTarget, op: Op, testCase: Case): string[] {
  return callsOf(op, testCase).flatMap((call) =>
    (call.program.versions ?? [undefined])
      .filter((version) => canRun({ target }, call, version))
      .map((version) => `${call.program.name} ${version ?? ''} ${storesHalf(call)}`),
  );
}

/** A call's program and the kernels of its plan on a target, with what they are compiled for and whether one workgroup does all, in words. */
export function kernelsReached(target: PlanTarget, call: ProgramCall, version?: string): string {
  const { program, inputs, outputs, attributes } = call;
  const dispatches = program.plan(inputs, outputs, attributes, target, version)?.dispatches ?? [];
  const kernels = dispatches.map(({ kernel, overrides, constants, storage, result, width, workgroups }) => {
    const isShared = workgroups.some((count) => count > 1);
    return JSON.stringify([kernel.name, overrides, constants, storage, result, width, isShared]);
  });
  return [program.name, ...kernels].join(' ');
}
