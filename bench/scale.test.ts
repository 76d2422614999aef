/** Tier: no adapter. The arithmetic of ranks, against figures worked out by hand. */
import { expect, it } from 'vitest';
import { efficiency, exchangeMs, formatScale } from './scale.ts';

it('counts what goes over the wire, to the host and back, and the sum', () => {
  // 25 M parameters, 100 MB; 2 ranks on 10 Gbit/s: 100 MB at 1.125 GB/s, 200 MB at 12 GB/s, 12.5 M sums at 0.5 G/s.
  expect(exchangeMs(25e6, 2, 10)).toBeCloseTo(88.889 + 16.667 + 25, 2);
  expect(exchangeMs(25e6, 1, 10)).toBe(0);
  // 64 ranks send 63/32 of the gradients.
  expect(exchangeMs(25e6, 64, 100)).toBeCloseTo(17.5 + 16.667 + 49.219, 2);
  const network = { name: 'n', parameters: 25e6, images: 4, microBatchMs: 100 };
  expect(efficiency(network, 1, 1, 10)).toBe(1);
  expect(efficiency(network, 2, 8, 10)).toBeCloseTo(800 / 930.556, 5);
});

it('keeps what was measured and what was computed apart', () => {
  const row = { mpi: 'Open MPI', ranks: 2, adapter: 'A', stepMs: 10, exchangeMs: 1, waitMs: 2, sentBytes: 3000 };
  const text = formatScale([row], [{ name: 'net', parameters: 1e6, images: 4, microBatchMs: 5 }]);
  expect(text.indexOf('MEASURED on this machine: Open MPI, A')).toBeLessThan(text.indexOf('ARITHMETIC, not measured'));
  expect(text).toMatch(/^ +64 .*%$/m);
  expect(formatScale([], [])).toContain('no Open MPI or MPICH is installed');
});
