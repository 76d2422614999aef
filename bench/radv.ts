/** Reads what Mesa's RADV prints of each shader with RADV_DEBUG=asm,shaderstats, and holds it against budgets. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { instructionOf, type LoopCounts, loopLoads, productLoop } from './loops.ts';

/** What RADV says of one shader's machine code, and counts of its instructions. */
interface Counts {
  readonly vgprs: number;
  readonly sgprs: number;
  readonly spilled: number;
  readonly scratchBytes: number;
  readonly workgroupBytes: number;
  /** Waves that fit a SIMD, in units of 32 lanes on RDNA. */
  readonly subgroupsPerSimd: number;
  readonly instructions: number;
  /** The compiler's estimate of clocks for a wave, its loops guessed: good for comparing kernels of equal structure. */
  readonly inverseThroughput: number;
  readonly vectorInstructions: number;
  /** Minima of integers: bounds checks, where they stand in loops. */
  readonly integerMinima: number;
  /** 32-bit integer products: divisions and strides. */
  readonly integerProducts: number;
  /** Stores of less than 8 bytes per lane. */
  readonly narrowStores: number;
  readonly matrixProducts: number;
  readonly workgroupLoads: number;
}

/** Those, and what its loops are like. */
export interface KernelStatistics extends Counts {
  /** The loop that multiplies; null where no loop does. */
  readonly loop: LoopCounts | null;
  /** Loads from buffers in one turn of the innermost loop that has most of them; null where none has any. */
  readonly loopLoads: number | null;
}

const NAMES: Readonly<Record<string, string>> = {
  VGPRs: 'vgprs',
  SGPRs: 'sgprs',
  'Spilled VGPRs': 'spilled',
  'Spilled SGPRs': 'spilled',
  'Scratch size': 'scratchBytes',
  'LDS size': 'workgroupBytes',
  'Subgroups per SIMD': 'subgroupsPerSimd',
  Instructions: 'instructions',
  'Inverse Throughput': 'inverseThroughput',
};

const CLASSES: readonly (readonly [keyof Counts, RegExp])[] = [
  ['vectorInstructions', /^v_/],
  ['integerMinima', /^v_min_[ui]/],
  ['integerProducts', /^v_mul_(lo|hi)/],
  ['narrowStores', /^(buffer|global)_store_(b8|b16|b32|short|byte|dword)$/],
  ['matrixProducts', /^v_wmma/],
  ['workgroupLoads', /^ds_(load|read)/],
];

const EMPTY: Counts = {
  ...{ vgprs: 0, sgprs: 0, spilled: 0, scratchBytes: 0, workgroupBytes: 0, subgroupsPerSimd: 0, instructions: 0 },
  ...{ inverseThroughput: 0, vectorInstructions: 0, integerMinima: 0, integerProducts: 0, narrowStores: 0 },
  ...{ matrixProducts: 0, workgroupLoads: 0 },
};

/** Puts together the statistics of one shader after another from lines. */
export class StatisticsReader {
  #now: Record<keyof Counts, number> = { ...EMPTY };
  #code: string[] = [];
  #seen = false;
  #inCode = false;

  /** Takes in a line; false where it is none of RADV's own. */
  read(line: string): boolean {
    if (line.startsWith('disasm:')) {
      this.#inCode = true;
      return true;
    }
    const figure = /^([A-Z][\w -]*): (\d+)/.exec(line);
    if (figure) {
      this.#inCode = false;
      const name = NAMES[figure[1]] as keyof Counts | undefined;
      if (!name) return false;
      this.#seen = true;
      this.#now[name] += Number(figure[2]);
      return true;
    }
    if (!this.#inCode) return false;
    this.#code.push(line);
    const [word] = instructionOf(line).split(' ', 1);
    for (const [name, pattern] of CLASSES) if (pattern.test(word)) this.#now[name]++;
    return true;
  }

  /** The statistics since the last call, null where there were none. */
  take(): KernelStatistics | null {
    const code = this.#code;
    const taken = this.#seen ? { ...this.#now, loop: productLoop(code), loopLoads: loopLoads(code) } : null;
    this.#now = { ...EMPTY };
    this.#code = [];
    this.#seen = false;
    this.#inCode = false;
    return taken;
  }
}

/** The figures that are held to a budget, all at most what it says. The first three with any compiler, the others with the one it was measured with. */
const BUDGETED = [
  ...(['spilled', 'scratchBytes', 'workgroupBytes'] as const),
  ...(['vgprs', 'instructions', 'integerMinima', 'integerProducts', 'narrowStores'] as const),
] as const;
const PORTABLE = 3;

/** What each kernel may take at most over all its variants of a precision, and the fewest subgroups; `gmtl bench compile --write-budgets` writes it. */
export interface Budgets {
  /** What the budgets were measured with: another compiler gives other numbers. */
  readonly compiler: string;
  /** What the numbers of each kernel are, in order. */
  readonly figures: readonly string[];
  readonly kernels: Readonly<Record<string, readonly number[]>>;
}

interface Measured {
  readonly kernel: string;
  readonly settings: string;
  readonly statistics: KernelStatistics | null;
}

/** Kernels are budgeted by name and precision. */
const budgetName = ({ kernel, settings }: Measured): string => (settings.includes('f16') ? `${kernel} f16` : kernel);

/** The budgeted figures, then the subgroups, of which fewer are worse. */
const figuresOf = (statistics: KernelStatistics): number[] => [
  ...BUDGETED.map((figure) => statistics[figure]),
  statistics.subgroupsPerSimd,
];

/** The budgets that a measurement just keeps. */
export function budgetsOf(compiler: string, rows: readonly Measured[]): Budgets {
  const kernels = new Map<string, number[]>();
  for (const row of rows) {
    if (!row.statistics) continue;
    const figures = figuresOf(row.statistics);
    const known = kernels.get(budgetName(row)) ?? figures;
    kernels.set(
      budgetName(row),
      figures.map((figure, at) => (at < BUDGETED.length ? Math.max(figure, known[at]) : Math.min(figure, known[at]))),
    );
  }
  const sorted = [...kernels].sort(([a], [b]) => (a < b ? -1 : 1));
  return { compiler, figures: [...BUDGETED, 'subgroupsPerSimd'], kernels: Object.fromEntries(sorted) };
}

/** The budgets as a file, one kernel per line. */
export function budgetsText({ compiler, figures, kernels }: Budgets): string {
  const block = (lines: readonly string[]): string => `\n${lines.map((line) => `    ${line}`).join(',\n')}\n  `;
  const names = block(figures.map((figure) => JSON.stringify(figure)));
  const rows = block(Object.entries(kernels).map(([name, row]) => `${JSON.stringify(name)}: [${row.join(', ')}]`));
  return `{\n  "compiler": ${JSON.stringify(compiler)},\n  "figures": [${names}],\n  "kernels": {${rows}}\n}\n`;
}

/** Where a row is over its budget. `sameCompiler`: whether the budgets were measured with the compiler that made it. */
export function overBudget(row: Measured, budgets: Budgets, sameCompiler: boolean): string[] {
  if (!row.statistics) return [];
  const budget = budgets.kernels[budgetName(row)];
  if (!budget) return ['it has no budget: run gmtl bench compile --null-device navi31 --write-budgets'];
  const figures = figuresOf(row.statistics);
  const over = BUDGETED.slice(0, sameCompiler ? undefined : PORTABLE).flatMap((figure, at) =>
    figures[at] > budget[at] ? [`${figure} ${figures[at]}, budget ${budget[at]}`] : [],
  );
  const fewest = budget[BUDGETED.length];
  const { subgroupsPerSimd } = row.statistics;
  if (!sameCompiler || subgroupsPerSimd >= fewest) return over;
  return [...over, `subgroupsPerSimd ${subgroupsPerSimd}, budget ${fewest} or more`];
}

/** Where the budgets are kept: beside this file, in the sources. */
export const BUDGETS_PATH = fileURLToPath(new URL('radvBudgets.json', import.meta.url)).replace(
  /[\\/]dist(?=[\\/]bench[\\/]radvBudgets\.json$)/,
  '',
);

/** The budgets that are kept in the repository; null where they are not there. */
export function readBudgets(): Budgets | null {
  return existsSync(BUDGETS_PATH) ? (JSON.parse(readFileSync(BUDGETS_PATH, 'utf8')) as Budgets) : null;
}
