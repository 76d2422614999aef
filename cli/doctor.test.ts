/** Tier: no adapter. The doctor's self-test on right and on wrong backends, and its text. */
import { describe, expect, it } from 'vitest';
import { GmtlError } from '../src/engine/errors.ts';
import type { AdapterListing } from '../src/engine/node/open.ts';
import { defineProgram, type Op } from '../src/engine/ops/definition.ts';
import { layerNorm } from '../src/engine/ops/layerNorm/op.ts';
import { matmul } from '../src/engine/ops/matmul/op.ts';
import { ReferenceBackend } from '../src/engine/ops/referenceBackend.ts';
import { TapBackend } from '../src/engine/ops/tapBackend.ts';
import { adaptersText, limitText, matrixText, selfTestText, tunedText, wrap } from './doctor.ts';
import { difference } from '../src/engine/check/difference.ts';
import { selfTest } from '../src/engine/check/selftest.ts';

/** Adds an error to every output it computes, as a miscompiled kernel would. */
class WrongBackend extends TapBackend {
  constructor(relative: number) {
    const inner = new ReferenceBackend();
    super(inner, {
      after: ({ outputs }) => {
        const { data } = inner.array(outputs[0]);
        for (let i = 0; i < data.length; i++) data[i] *= 1 + relative;
      },
    });
  }
}

describe('self-test', () => {
  it('passes a backend that computes as the references do, output and gradients', async () => {
    const results = await selfTest(new ReferenceBackend(), [matmul, layerNorm]);
    expect(results.map(({ op }) => op)).toEqual(['matmul', 'layerNorm']);
    expect(results).toEqual(
      results.map((result) => ({ ...result, forwardError: 0, backwardError: 0, passed: true, failure: null })),
    );
  });

  it('fails one whose results are off, and says by how much', async () => {
    const [result] = await selfTest(new WrongBackend(1e-3), [matmul]);
    expect(result.passed).toBe(false);
    expect(result.forwardError).toBeCloseTo(1e-3, 6);
    expect(selfTestText([result])).toMatch(/1\.0e-3.*FAILED[\s\S]*wrong results/);
    expect((await selfTest(new WrongBackend(1e-6), [matmul]))[0].passed).toBe(true);
  });

  it('reports a kernel that does not run instead of stopping', async () => {
    const forward = defineProgram({
      ...matmul.forward,
      infer: () => {
        throw new GmtlError('gpu/shader', 'did not compile');
      },
    });
    const results = await selfTest(new ReferenceBackend(), [{ ...matmul, forward } as Op, layerNorm]);
    expect(results.map(({ passed, failure }) => [passed, failure])).toEqual([
      [false, 'did not compile'],
      [true, null],
    ]);
    expect(selfTestText(results)).toContain('matmul: did not compile');
  });

  it('relative error: NaN and a missing number are never right', () => {
    expect(difference([3, 4.05], [3, 4]).relativeL2).toBeCloseTo(0.01, 9);
    expect(difference([Number.NaN, 4], [3, 4]).relativeL2).toBe(Number.POSITIVE_INFINITY);
    expect(difference([3], [3, 4]).relativeL2).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('text', () => {
  it('names the forms of products that matrix units take', () => {
    const f16 = { m: 16, n: 8, k: 16, lanes: 32 };
    expect(matrixText({ subgroupMatrix: { f16 } })).toBe('f16 16x8x16');
    expect(matrixText({ subgroupMatrix: { f16, f32: { ...f16, m: 8 } } })).toBe('f16 16x8x16, f32 8x8x16');
    expect(matrixText({})).toBe('none that can be used');
  });

  it('lists adapters first, the chosen one marked, then refusals by reason', () => {
    const none = { info: undefined, features: [], limits: {} };
    const refused = (name: string): AdapterListing => ({
      ...none,
      name,
      kind: undefined,
      driver: { source: 'system', manifest: name },
      refused: 'too old',
    });
    const lavapipe: AdapterListing = {
      ...none,
      name: 'llvmpipe',
      kind: 'lavapipe',
      driver: { source: 'system', manifest: '/etc/lvp.json' },
      refused: undefined,
    };
    expect(adaptersText([refused('/a.json'), lavapipe, refused('/b.json')], 'llvmpipe')).toBe(
      '  → llvmpipe\n      lavapipe, system driver /etc/lvp.json\n    no adapter: too old\n      /a.json\n      /b.json',
    );
    expect(adaptersText([], undefined)).toBe('  none');
  });

  it('tells what tuning left', () => {
    const file = { path: '/c/tuned.json', entries: [], tuned: new Map([['a', 'b']]), note: null };
    expect(tunedText({ ...file, state: 'used' })).toBe(
      '0 calls measured, 1 run in another version than without: /c/tuned.json',
    );
    expect(tunedText({ ...file, state: 'absent' })).toContain('gmtl tune would write');
    expect(tunedText({ ...file, state: 'off' })).toContain('GMTL_TUNE is off');
    expect(tunedText({ ...file, state: 'unusable', note: 'why' })).toBe('why');
  });

  it('limits in the units people use', () => {
    expect(limitText('maxStorageBufferBindingSize', 134_217_728)).toBe('128 MiB');
    expect(limitText('maxComputeWorkgroupStorageSize', 16_384)).toBe('16 KiB');
    expect(limitText('maxComputeWorkgroupsPerDimension', 65_535)).toBe('65 535');
    expect(limitText('maxComputeWorkgroupSizeX', 1024)).toBe('1 024');
  });

  it('wraps at the width, words whole', () => {
    expect(wrap('one two three', '  ', 9)).toBe('  one two\n  three');
    expect(wrap('incomprehensible', '', 5)).toBe('incomprehensible');
  });
});
