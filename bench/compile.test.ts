/**
 * Tier: any adapter, built command line. What AMD's compiler makes of the kernels, where Mesa's RADV and a C compiler are installed (skipped, and
 * counted, where not): a few of those that decide a step. `gmtl bench compile --null-device navi31` does all.
 */
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, type PlanTarget } from '../src/engine/gpu/kernel.ts';
import { benchCompile, kernelVariants } from './compile.ts';
import { compileProblems, formatCompile } from './compileReport.ts';
import { nullDevice } from './nullDevice.ts';
import { budgetsOf, budgetsText, overBudget, readBudgets, StatisticsReader } from './radv.ts';

const SAID = `
Compute Shader
disasm:
BB0:
	v_min_u32_e32 v1, 3, v0                                     ; 36020083
	buffer_store_b32 v0, v1, s[4:7], 0 offen                    ; e0680000
	buffer_store_b128 v[0:3], v4, s[4:7], 0 offen               ; e0740000
*** SHADER STATS ***
VGPRs: 48
Spilled SGPRs: 0
Spilled VGPRs: 2
LDS size: 8192
Scratch size: 0
Subgroups per SIMD: 32
Instructions: 954
`;

describe("RADV's statistics", () => {
  const reader = new StatisticsReader();
  for (const line of SAID.split('\n')) reader.read(line);
  const statistics = reader.take()!;
  const row = { kernel: 'a/kernel', settings: '{}', statistics };
  const changed = (change: object) => ({ ...row, statistics: { ...statistics, ...change } });

  it('are read with counts of instructions', () => {
    expect(statistics).toMatchObject({ vgprs: 48, spilled: 2, workgroupBytes: 8192, subgroupsPerSimd: 32 });
    expect(statistics).toMatchObject({ instructions: 954, integerMinima: 1, narrowStores: 1, vectorInstructions: 1 });
    expect(reader.take()).toBeNull();
  });

  it('are held against budgets, with another compiler only where that must not matter', () => {
    const budgets = budgetsOf('radv', [row]);
    expect(JSON.parse(budgetsText(budgets))).toEqual(budgets);
    expect(overBudget(row, budgets, true)).toEqual([]);
    expect(overBudget(changed({ vgprs: 60, subgroupsPerSimd: 16 }), budgets, true)).toEqual([
      'vgprs 60, budget 48',
      'subgroupsPerSimd 16, budget 32 or more',
    ]);
    expect(overBudget(changed({ vgprs: 60 }), budgets, false)).toEqual([]);
    expect(overBudget(changed({ spilled: 3 }), budgets, false)).toEqual(['spilled 3, budget 2']);
    expect(overBudget({ ...row, kernel: 'another' }, budgets, true)).toEqual([expect.stringContaining('no budget')]);
  });
});

it('takes each pipeline of the steps once, and has a budget for it', async () => {
  const target: PlanTarget = { deviceClass: 'gpu', limits: DEFAULT_LIMITS, features: new Set(), subgroupSize: 0 };
  const variants = await kernelVariants('steps', target);
  const names = variants.map(({ dispatch, settings }) => `${dispatch.kernel.name} ${settings}`);
  expect(new Set(names).size).toBe(names.length);
  expect(names).toContain('conv2d/gradWeightTile {"ROWS":32,"COLUMNS":32}');
  const budgeted = readBudgets()!.kernels;
  expect(variants.filter(({ dispatch }) => !budgeted[dispatch.kernel.name])).toEqual([]);
});

it('compiles the tiles of convolutions for RDNA 3 within their budgets', async ({ skip }) => {
  let environment: Record<string, string>;
  try {
    environment = nullDevice('navi31');
  } catch (error) {
    skip(error instanceof Error ? error.message : String(error));
    return;
  }
  const bench = await benchCompile({ adapter: 'gpu', set: 'steps', filter: 'Tile' }, environment);
  const problems = compileProblems(bench, readBudgets());
  expect(problems).toEqual([]);
  expect(bench.rows.length).toBeGreaterThan(5);
  expect(bench.rows.filter(({ statistics }) => !statistics?.instructions)).toEqual([]);
  const report = formatCompile(bench, readBudgets(), problems);
  expect(report).toContain('No problem was found.');
  expect(report).toMatch(/bounds checks in the loop +products +≤ 0 +0 +0 of \d+ +0 +0 of \d+/);
}, 60_000);
