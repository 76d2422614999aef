/** Tier: no adapter. Shapes of matrix products, and which kernel a plan takes. */
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, type PlanTarget } from '../../gpu/kernel.ts';
import { f32, type Shape } from '../../tensor/spec.ts';
import type { MatmulAttributes } from './attributes.ts';
import { matmulGeometry } from './geometry.ts';
import { gradWeightProgram, matmulProgram } from './program.ts';
import { smallIsFaster } from './tiles.ts';

const target = (deviceClass: PlanTarget['deviceClass'], subgroupSize: number): PlanTarget => ({
  deviceClass,
  limits: DEFAULT_LIMITS,
  features: new Set(subgroupSize > 0 ? ['subgroups'] : []),
  subgroupSize,
});
const lavapipe = target('software', 8);

function kernelsOf(shapes: readonly Shape[], attributes: MatmulAttributes, on: PlanTarget, version?: string) {
  const inputs = shapes.map(f32);
  const plan = matmulProgram.plan(inputs, matmulProgram.infer(inputs, attributes), attributes, on, version);
  return plan?.dispatches.map(({ kernel }) => kernel.name) ?? null;
}

describe('shapes of a matrix product', () => {
  it('folds leading axes into rows where one b serves all', () => {
    expect(matmulGeometry([2, 7, 7, 96], [384, 96], { transposeB: true })).toMatchObject({
      batch: 1,
      m: 98,
      n: 384,
      k: 96,
      outShape: [2, 7, 7, 384],
    });
  });

  it.each([
    [[4], [4, 2], {}, 'at least two axes'],
    [[2, 3], [4, 5], {}, 'rows of 3 elements do not meet columns of 4'],
    [[2, 3], [3, 5], { transposeB: true }, 'rows of 3 elements do not meet columns of 5'],
    [[2, 1, 4, 3], [1, 5, 3, 2], {}, 'expand the operand first'],
    [[2, 4, 3], [5, 3, 2], {}, 'do not broadcast'],
  ] as const)('refuses %j by %j %j', (a, b, attributes, message) => {
    expect(() => matmulGeometry(a, b, attributes)).toThrow(message);
  });

  it('refuses a bias of another length', () => {
    expect(() => matmulProgram.infer([f32([2, 3]), f32([3, 4]), f32([3])], {})).toThrow('must be [4]');
  });
});

describe('kernels of a matrix product', () => {
  const linear = [[64, 96], [384, 96], [384]];

  it('are chosen by the class of device', () => {
    const attributes = { transposeB: true };
    expect(kernelsOf(linear, attributes, lavapipe)).toEqual(['matmul/packBlock', 'matmul/subgroup']);
    expect(kernelsOf(linear, attributes, target('software', 4))).toEqual(['matmul/packBlock', 'matmul/quad']);
    expect(kernelsOf(linear, attributes, target('software', 0))).toEqual(['matmul/packBlock', 'matmul/register']);
    expect(kernelsOf(linear, attributes, target('gpu', 32))).toEqual(['matmul/packBlock', 'matmul/tile']);
    expect(kernelsOf(linear, attributes, target('gpu', 32), 'subgroup')).toBeNull();
    const large = [[8192, 512], [1024, 512], [1024]];
    expect(kernelsOf(large, attributes, target('gpu', 32))).toEqual(['matmul/packBlock', 'matmul/tile']);
    // Rounds of workgroups: 147 tiles of 128 x 128 would leave half of the second one idle.
    expect(smallIsFaster(matmulGeometry([32 * 512, 768], [768, 3072], {}))).toBe(false);
    expect(smallIsFaster(matmulGeometry([6272, 1536], [1536, 384], {}))).toBe(true);
    const gradient = [
      [100_352, 384],
      [100_352, 1536],
    ];
    expect(kernelsOf(gradient, { transposeA: true }, target('gpu', 32))?.[0]).toBe('matmul/tileTransposed');
  });

  it('read operands in place where their rows are whole vec4f', () => {
    const shapes = [
      [64, 96],
      [96, 384],
    ];
    expect(kernelsOf(shapes, {}, lavapipe)).toEqual(['matmul/subgroup']);
    expect(
      kernelsOf(
        [
          [64, 96],
          [64, 40],
        ],
        { transposeA: true },
        lavapipe,
      ),
    ).toEqual(['matmul/subgroupTransposed']);
  });

  it('split a weight gradient over the pixels, within 32 MiB of partial sums', () => {
    const inputs = [f32([401_408, 384]), f32([401_408, 96])];
    const attributes = { transposeA: true };
    const plan = matmulProgram.plan(inputs, [f32([384, 96])], attributes, lavapipe);
    const [product, ...sums] = plan?.dispatches ?? [];
    expect(product.kernel.name).toBe('matmul/subgroupTransposed');
    expect(product.uniforms.split).toBe(1);
    expect(product.uniforms.chunk % 4).toBe(0);
    expect(product.uniforms.chunk * product.uniforms.slices).toBeGreaterThanOrEqual(401_408);
    expect(sums.map(({ kernel }) => kernel.name)).toEqual(['reduce/sumPair']);
    expect(Math.max(...(plan?.scratch ?? []))).toBeLessThanOrEqual(2 ** 25);
  });

  it("sum the bias's gradient in the weight gradient's passes where rows come in fours, else by themselves", () => {
    const names = (k: number, m: number) => {
      const inputs = [f32([k, m]), f32([k, 96])];
      const plan = gradWeightProgram.plan(inputs, gradWeightProgram.infer(inputs, {}), {}, lavapipe);
      return plan?.dispatches.map(({ kernel }) => kernel.name);
    };
    expect(names(512, 384)).toEqual(['matmul/subgroupTransposed']);
    expect(names(8192, 384)).toEqual(['matmul/subgroupTransposed', 'reduce/sumPair']);
    expect(names(64, 5)).toEqual(['matmul/pack', 'matmul/subgroup', 'reduce/sum', 'reduce/sum']);
  });

  it('do not split a product that ends in a bias or an activation: it must see whole sums', () => {
    expect(kernelsOf([[8, 4096], [4096, 8], [8]], {}, lavapipe)).toEqual(['matmul/subgroup']);
  });
});
