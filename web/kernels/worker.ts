/** Tests and times the kernels away from the page, so that the page stays responsive. */
import { benchKernels } from '../../bench/kernels.ts';
import { checkCase, type CheckedCase } from '../../src/engine/check/checkCase.ts';
import { fewestCases, testCases, versionsReached } from '../../src/engine/check/testCases.ts';
import { createBrowserDevice } from '../../src/engine/gpu/browserDevice.ts';
import type { GpuDevice } from '../../src/engine/gpu/device.ts';
import type { Case, Op } from '../../src/engine/ops/definition.ts';
import { ops } from '../../src/engine/ops/index.ts';
import { failureOf, isMendable } from '../shared/failure.ts';
import type { KernelCommand, KernelEvent, KernelWork } from './messages.ts';

const say = (event: KernelEvent): void => postMessage(event);
const chosen = (name: string): Op[] => ops.filter((op) => name === '' || op.name === name);

let opened: GpuDevice | null = null;

/** The worker's device: a new one where the last was lost or ran out of memory. */
async function workingDevice(): Promise<GpuDevice> {
  if (opened?.failed) {
    opened.destroy();
    opened = null;
  }
  opened ??= (await createBrowserDevice()).device;
  return opened;
}

async function open(): Promise<void> {
  const { device, info } = await createBrowserDevice();
  opened = device;
  const { deviceClass, features, limits } = device.target;
  const adapter = {
    ...{ name: device.name, deviceClass, info, features: [...features].sort() },
    limits: {
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
    },
  };
  say({ kind: 'opened', adapter, ops: ops.map(({ name }) => name) });
}

async function test({ op, from, cases: which }: KernelWork & { kind: 'test' }): Promise<void> {
  const { target } = await workingDevice();
  const casesOf = (one: Op): Case[] =>
    which === 'all'
      ? testCases(one)
      : fewestCases(testCases(one), (testCase) => versionsReached(target, one, testCase));
  const cases = chosen(op).flatMap((one) => casesOf(one).map((testCase) => ({ op: one, testCase })));
  for (const [done, { op: one, testCase }] of cases.entries()) {
    if (done < from) continue;
    const label = `${one.name} / ${testCase.name}`;
    say({ kind: 'progress', done, total: cases.length, op: one.name, testCase: testCase.name, label });
    const begin = performance.now();
    const checked = await checkOrReport(one, testCase);
    const milliseconds = performance.now() - begin;
    say({ kind: 'tested', result: { op: one.name, testCase: testCase.name, milliseconds, ...checked } });
  }
  say({ kind: 'done' });
}

/** What the device refuses is a problem of the case, not the end of the tests. What a new worker may mend is the page's. */
async function checkOrReport(op: Op, testCase: Case): Promise<CheckedCase> {
  const device = await workingDevice();
  try {
    return await checkCase(device, op, testCase);
  } catch (error) {
    const { code, message } = failureOf(error);
    if (!code.startsWith('gpu/') || isMendable(code)) throw error;
    return { checked: [], lacking: [], problems: [message], skipped: null };
  }
}

async function time({ op, from, versions, seconds }: KernelWork & { kind: 'time' }): Promise<void> {
  const left = chosen(op).slice(from);
  await benchKernels(await workingDevice(), left, {
    ...{ versions, seconds },
    onCeilings: (measured, by) => say({ kind: 'ceilings', ceilings: measured, timer: by }),
    onProgress: (done, total, label, at = { op: '', testCase: '' }) =>
      say({ kind: 'progress', done, total, label, ...at }),
    onProblem: (problem) => say({ kind: 'problem', problem }),
    onRow: (row) => say({ kind: 'timed', row: { ...row, attributes: { ...row.attributes } } }),
  });
  say({ kind: 'done' });
}

function run(command: KernelCommand): Promise<void> {
  switch (command.kind) {
    case 'open':
      return open();
    case 'test':
      return test(command);
    case 'time':
      return time(command);
    default:
      return command satisfies never;
  }
}

addEventListener('message', ({ data }: MessageEvent<KernelCommand>) => {
  run(data).catch((error: unknown) => say({ kind: 'failed', failure: failureOf(error) }));
});
