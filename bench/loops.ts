/** Finds the loops in a shader's machine code as RADV prints it, and counts what their budgets are about. */

/**
 * Counts of the loop that multiplies: the smallest with products of matrix units, else the innermost one that has multiply-adds and, of those, the
 * most reads of workgroup memory. What belongs to loading (`narrowLoads` and what follows) is counted in the smallest loop around it that loads from buffers.
 */
export interface LoopCounts {
  readonly instructions: number;
  readonly vectorInstructions: number;
  /** Fused multiply-adds of float32, one per lane. */
  readonly multiplyAdds: number;
  readonly matrixProducts: number;
  readonly workgroupReads: number;
  /** Loads from buffers and reads of workgroup memory of less than 8 bytes at an address. */
  readonly narrowLoads: number;
  /** 32-bit integer products: divisions and strides. */
  readonly integerProducts: number;
  /** Minima of integers: bounds checks. */
  readonly integerMinima: number;
  /** Waits for the loads of a turn before its first multiply-add after them: 0 where the next step's loads are under way during the arithmetic. */
  readonly loadWaits: number;
}

interface Instruction {
  readonly name: string;
  readonly text: string;
}

interface Loop {
  readonly first: number;
  readonly last: number;
  readonly code: readonly Instruction[];
}

/** Without the conversions of float16, which are products with one (`v_fma_mix_f32 v0, v1, 1.0, …`). */
const MULTIPLY_ADD = /^v_(dual_)?(fmac?|fmaak|fmamk|ma[cd]|madak|madmk)_(mix_)?f32(?!.*, 1\.0,)/;
const MATRIX_PRODUCT = /^v_wmma/;
const VECTOR = /^v_/;
const BUFFER_LOAD = /^(buffer|global)_load/;
const WORKGROUP_READ = /^ds_(load|read)/;
const WIDE = /(b64|b96|b128|dwordx[234])/;
const LOAD_WAIT = /^s_wait(?:cnt .*vmcnt\((\d+)\)|_loadcnt (?:imm:)?(\w+)|_loadcnt_dscnt .*loadcnt\((\d+)\))/;
const INTEGER_PRODUCT = /^v_mul_(lo|hi)/;
const INTEGER_MINIMUM = /^v_min_[ui]/;
const BRANCH = /^s_c?branch\S* (?:block:)?BB(\d+)/;

/**
 * The instruction in a line of machine code, without what it defines and its encoding. Lines are LLVM's (`\tv_add_u32 v0, v1, v2 ; 00000000`), or those
 * of RADV's own compiler where LLVM does not know the GPU (`\t v1: %4:v[0] = v_add_u32 %5:v[1], …`).
 */
export const instructionOf = (line: string): string => line.split(';')[0].split(' = ').at(-1)!.trim();

/** Instructions of `lines`, and at which of them each block starts. */
function readCode(lines: readonly string[]): { code: Instruction[]; blocks: Map<number, number> } {
  const code: Instruction[] = [];
  const blocks = new Map<number, number>();
  for (const line of lines) {
    const block = /^BB(\d+):?\s*(?:;.*)?$/.exec(line);
    if (block) blocks.set(Number(block[1]), code.length);
    else if (/^\s+\S/.test(line)) {
      // An instruction of two operations stands for both.
      for (const part of instructionOf(line).split(' :: ')) code.push({ name: part.split(' ')[0], text: part });
    }
  }
  return { code, blocks };
}

function loopsOf(lines: readonly string[]): Loop[] {
  const { code, blocks } = readCode(lines);
  const ends = new Map<number, number>();
  code.forEach(({ text }, at) => {
    const target = BRANCH.exec(text);
    const first = target ? blocks.get(Number(target[1])) : undefined;
    if (first !== undefined && first <= at) ends.set(first, at);
  });
  return [...ends].map(([first, last]) => ({ first, last, code: code.slice(first, last + 1) }));
}

const countOf = (loop: Loop, pattern: RegExp): number => loop.code.filter(({ text }) => pattern.test(text)).length;

const holds = (outer: Loop, inner: Loop): boolean => outer.first <= inner.first && inner.last <= outer.last;

const innermost = (loops: readonly Loop[]): Loop[] =>
  loops.filter((loop) => !loops.some((other) => other !== loop && holds(loop, other)));

/** Of the waits after the loop's first load those that are for a load of this turn, not of the one before. */
function loadWaits({ code }: Loop): number {
  let loads = 0;
  let waits = 0;
  for (const { name, text } of code) {
    if (BUFFER_LOAD.test(name)) loads++;
    if (loads > 0 && (MULTIPLY_ADD.test(text) || MATRIX_PRODUCT.test(text))) break;
    // As many loads may still be under way.
    const [, ...left] = LOAD_WAIT.exec(text) ?? [];
    if (left.some((count) => Number(count) < loads)) waits++;
  }
  return waits;
}

/** The loop that multiplies; null where no loop does. */
export function productLoop(lines: readonly string[]): LoopCounts | null {
  const loops = loopsOf(lines);
  const bySize = [...loops].sort((a, b) => a.code.length - b.code.length);
  const work = (loop: Loop): number => countOf(loop, MULTIPLY_ADD);
  const [hot] = [
    ...bySize.filter((loop) => countOf(loop, MATRIX_PRODUCT) > 0),
    ...innermost(loops)
      .filter((loop) => work(loop) > 0)
      .sort((a, b) => countOf(b, WORKGROUP_READ) - countOf(a, WORKGROUP_READ) || work(b) - work(a)),
  ];
  if (!hot) return null;
  const [loading = hot] = bySize.filter((loop) => holds(loop, hot) && countOf(loop, BUFFER_LOAD) > 0);
  const isNarrow = ({ name }: Instruction): boolean =>
    (BUFFER_LOAD.test(name) || WORKGROUP_READ.test(name)) && !WIDE.test(name);
  return {
    instructions: hot.code.length,
    vectorInstructions: countOf(hot, VECTOR),
    multiplyAdds: countOf(hot, MULTIPLY_ADD),
    matrixProducts: countOf(hot, MATRIX_PRODUCT),
    workgroupReads: countOf(hot, WORKGROUP_READ),
    narrowLoads: loading.code.filter(isNarrow).length,
    integerProducts: countOf(loading, INTEGER_PRODUCT),
    integerMinima: countOf(loading, INTEGER_MINIMUM),
    loadWaits: loadWaits(loading),
  };
}

/** Loads from buffers in one turn of the innermost loop that has most of them; null where none has any. */
export function loopLoads(lines: readonly string[]): number | null {
  return Math.max(0, ...innermost(loopsOf(lines)).map((loop) => countOf(loop, BUFFER_LOAD))) || null;
}
