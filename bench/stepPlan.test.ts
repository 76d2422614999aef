/**
 * Tier: no adapter. What two training steps cost a GPU by their plans: budgets at the best that was reached, to be tightened and never
 * loosened without a reason. Loads that wait for one another, dispatches and padding are what a software adapter does not show.
 */
import { describe, expect, it } from 'vitest';
import { DEVICES } from './devices.ts';
import { benchStepPlan, formatStepPlan, type PlannedStep } from './stepPlan.ts';
import { classifierWorkload } from './stepClassifier.ts';
import { presetWorkload } from './stepPreset.ts';
import type { BuildWorkload } from './stepWorkload.ts';

interface Budget {
  readonly dispatches: number;
  readonly serialLoads: number;
  /** Operations of tiles over those of the products. */
  readonly padding: number;
  readonly bytes: number;
  readonly largestBufferBytes: number;
}

const STEPS: readonly { readonly name: string; readonly build: BuildWorkload; readonly budget: Budget }[] = [
  {
    name: 'ConvNeXt-T, 32 images of 224x224',
    build: (backend) => classifierWorkload(backend, { variant: 'tiny', batch: 32, size: 224, classes: 1000 }),
    budget: { dispatches: 439, serialLoads: 50, padding: 1, bytes: 14.1e9, largestBufferBytes: 155e6 },
  },
  {
    name: 'ResNet-34-U-Net, 4 + 4 images of 512x512',
    build: (backend) => presetWorkload(backend, { preset: 'resnet-unet', batch: 8, size: 512 }),
    budget: { dispatches: 696, serialLoads: 64, padding: 1.04, bytes: 15.8e9, largestBufferBytes: 135e6 },
  },
];

describe.each(STEPS)('$name', ({ build, budget }) => {
  let planned: PlannedStep;

  it('keeps within its budget of dispatches, waiting loads, padding and bytes', async () => {
    planned = await benchStepPlan(build, DEVICES.h100);
    const { total, largestBufferBytes } = planned.plan;
    const padding = (total.paddedFlops ?? 0) / total.tiledFlops;
    expect.soft(total.dispatches, 'dispatches').toBeLessThanOrEqual(budget.dispatches);
    expect.soft(total.serialLoads, 'loads that wait for one another').toBeLessThanOrEqual(budget.serialLoads);
    expect.soft(padding, 'padding').toBeLessThanOrEqual(budget.padding + 0.005);
    expect.soft(padding, 'padding').toBeGreaterThanOrEqual(1);
    expect.soft(total.bytes, 'bytes').toBeLessThanOrEqual(budget.bytes);
    expect.soft(largestBufferBytes, 'largest buffer').toBeLessThanOrEqual(budget.largestBufferBytes);
  });

  it('says that its table is arithmetic, and for which device', () => {
    const text = formatStepPlan(planned);
    expect(text).toMatch(/^arithmetic {2}nothing below was measured/);
    expect(text).toContain('NVIDIA H100');
    expect(
      Math.max(
        ...text
          .split('\n')
          .slice(11)
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(120);
  });
});

it('takes longer on a slower device, and no less than its bytes take', async () => {
  const [step] = STEPS;
  const fast = await benchStepPlan(step.build, DEVICES.h100);
  const slow = await benchStepPlan(step.build, DEVICES.m3);
  expect(slow.plan.total.boundMs).toBeGreaterThan(10 * fast.plan.total.boundMs);
  expect(slow.plan.total.boundMs).toBeGreaterThanOrEqual((slow.plan.total.bytes / DEVICES.m3.bytesPerSecond) * 1000);
});
