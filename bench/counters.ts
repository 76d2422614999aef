/** What RADV's machine code of a step's kernels is like as a whole: of each figure the worst kernel, and how many kernels miss the goal. */
import { formatTable } from '../src/retina/report/table.ts';
import type { KernelStatistics } from './radv.ts';

interface Kernel {
  readonly kernel: string;
  readonly settings: string;
  readonly statistics: KernelStatistics | null;
}

const PRODUCTS = /^(matmul\/(tile|subgroupMatrix)|conv2d\/(gather|gradWeight)(Tile|Matrix))/;
const DEPTHWISE = /^depthwiseConv2d\//;
/** Kernels that walk along an axis of any length. */
const REDUCTIONS =
  /^(batchNorm\/(stats|gradSums|finish)|reduce\/|(matmul|residualMlp)\/finish|optimizer\/(squares|guard|gate)|layerNorm\/gradParameters)/;

/** The kernels that a counter is of. */
const GROUPS = {
  all: () => true,
  products: (name: string) => PRODUCTS.test(name),
  'products, depthwise': (name: string) => PRODUCTS.test(name) || DEPTHWISE.test(name),
  depthwise: (name: string) => DEPTHWISE.test(name),
  others: (name: string) => !PRODUCTS.test(name) && !DEPTHWISE.test(name),
  reductions: (name: string) => REDUCTIONS.test(name),
} as const;

interface Counter {
  readonly name: string;
  readonly of: keyof typeof GROUPS;
  /** Null where a kernel has no such figure. */
  readonly figure: (statistics: KernelStatistics) => number | null | undefined;
  readonly goal: number;
  /** Whether the goal is the least instead of the most. */
  readonly least?: true;
  /** The family that the goal was set for. */
  readonly family?: 'navi31';
}

const ratio = (a: number | undefined, b: number | undefined): number | null => (a && b ? a / b : null);
const ofRdna3 = { family: 'navi31' } as const;

const COUNTERS: readonly Counter[] = [
  { name: 'spilled registers', of: 'all', figure: ({ spilled }) => spilled, goal: 0 },
  { name: 'scratch memory, bytes', of: 'all', figure: ({ scratchBytes }) => scratchBytes, goal: 0 },
  { name: 'workgroup memory, bytes', of: 'all', figure: ({ workgroupBytes }) => workgroupBytes, goal: 16384 },
  { name: 'vector registers', of: 'products', figure: ({ vgprs }) => vgprs, goal: 128, ...ofRdna3 },
  { name: 'vector registers', of: 'depthwise', figure: ({ vgprs }) => vgprs, goal: 96, ...ofRdna3 },
  { name: 'vector registers', of: 'others', figure: ({ vgprs }) => vgprs, goal: 48, ...ofRdna3 },
  ...(['products', 'depthwise', 'others'] as const).map((of) => ({
    ...{ name: 'subgroups per SIMD', of, figure: (s: KernelStatistics) => s.subgroupsPerSimd },
    ...{ goal: of === 'products' ? 12 : 16, least: true as const, ...ofRdna3 },
  })),
  {
    ...{ name: 'multiply-adds per vector instruction', of: 'products', goal: 0.9, least: true },
    figure: ({ loop }) => ratio(loop?.multiplyAdds, loop?.vectorInstructions),
  },
  {
    ...{ name: 'multiply-adds per read of workgroup memory', of: 'products', goal: 16, least: true },
    figure: ({ loop }) => ratio(loop?.multiplyAdds, loop?.workgroupReads),
  },
  { name: 'integer products in the loop', of: 'products', figure: ({ loop }) => loop?.integerProducts, goal: 4 },
  { name: 'bounds checks in the loop', of: 'products', figure: ({ loop }) => loop?.integerMinima, goal: 0 },
  { name: 'loads under 8 bytes in the loop', of: 'products', figure: ({ loop }) => loop?.narrowLoads, goal: 0 },
  { name: 'waits before the arithmetic', of: 'products', figure: ({ loop }) => loop?.loadWaits, goal: 0 },
  { name: 'stores under 8 bytes', of: 'products, depthwise', figure: ({ narrowStores }) => narrowStores, goal: 0 },
  { name: 'loads in a turn', of: 'reductions', figure: ({ loopLoads }) => loopLoads, goal: 4, least: true },
];

/** A counter over kernels. */
export interface CounterRow {
  readonly name: string;
  readonly of: string;
  /** `≤ 4`, `≥ 16`. */
  readonly goal: string;
  /** The figure of the kernel that is worst; null where no kernel has any. */
  readonly worst: number | null;
  /** How many kernels have the figure. */
  readonly kernels: number;
  /** How many miss the goal; null where it was set for another family. */
  readonly missed: number | null;
}

/** Every counter over `rows`; the goals for registers only where `compiler` compiles for the family that they were set for. */
export function countersOf(rows: readonly Kernel[], compiler: string): CounterRow[] {
  return COUNTERS.map(({ name, of, figure, goal, least, family }) => {
    const values = rows.flatMap(({ kernel, statistics }) => {
      const value = statistics && GROUPS[of](kernel) ? figure(statistics) : null;
      return value === null || value === undefined ? [] : [value];
    });
    const missed = values.filter((value) => (least ? value < goal : value > goal)).length;
    return {
      ...{ name, of, goal: `${least ? '≥' : '≤'} ${goal}`, kernels: values.length },
      worst: values.length === 0 ? null : least ? Math.min(...values) : Math.max(...values),
      missed: family && !compiler.includes(family) ? null : missed,
    };
  });
}

const isHalf = ({ settings }: Kernel): boolean => settings.includes('f16');
const shown = (worst: number | null): string =>
  worst === null ? '' : Number.isInteger(worst) ? `${worst}` : worst.toFixed(2);

/** The table for people: the kernels without and with float16 tensors. */
export function formatCounters(rows: readonly Kernel[], compiler: string): string {
  const parts = [rows.filter((row) => !isHalf(row)), rows.filter(isHalf)];
  const counters = parts.map((part) => countersOf(part, compiler));
  const sum = (part: readonly Kernel[]): number =>
    part.reduce((total, { statistics }) => total + (statistics?.instructions ?? 0), 0);
  const missedOf = ({ kernels, missed }: CounterRow): string =>
    kernels === 0 || missed === null ? '' : `${missed} of ${kernels}`;
  return formatTable(
    [
      ...[{ header: 'counter' }, { header: 'of' }, { header: 'goal', align: 'right' as const }],
      ...['float32', 'float16'].flatMap((header) => [
        { header, align: 'right' as const },
        { header: 'miss it', align: 'right' as const },
      ]),
    ],
    [
      ['pipelines', 'all', '', ...parts.flatMap((part) => [`${part.length}`, ''])],
      ['instructions, in sum', 'all', '', ...parts.flatMap((part) => [`${sum(part)}`, ''])],
      ...counters[0].map((row, at) => [
        ...[row.name, row.of, row.goal],
        ...counters.flatMap((column) => [shown(column[at].worst), missedOf(column[at])]),
      ]),
    ],
  );
}
