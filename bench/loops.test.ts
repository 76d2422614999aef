/** Tier: no adapter. The loops that are read from machine code. */
import { describe, expect, it } from 'vitest';
import { countersOf } from './counters.ts';
import { loopLoads, productLoop } from './loops.ts';
import { StatisticsReader } from './radv.ts';

const lines = (text: string): string[] => text.split('\n');

/** As RADV prints it with LLVM: a loop over k, in which one over four k multiplies. */
const CODE = `
disasm:
BB0:
	s_mov_b32 s0, 0                                             ; be800080
BB1:
	s_waitcnt vmcnt(1)                                          ; bf8907f7
	buffer_load_b128 v[4:7], v0, s[4:7], 0 offen                ; e0580000
	s_waitcnt vmcnt(1)                                          ; bf8907f7
	buffer_load_b32 v8, v0, s[4:7], 0 offen                     ; e0500000
	v_mul_lo_u32 v0, s0, v0                                     ; d72c0000
	v_min_u32_e32 v1, 3, v0                                     ; 26020083
BB2:
	ds_load_b128 v[12:15], v1                                   ; dbfc0000
	v_dual_fmac_f32 v16, v12, v13 :: v_dual_fmac_f32 v17, v14, v15 ; c8001b0c
	v_fma_mix_f32 v18, v12, 1.0, neg(0)                         ; cc200012
	v_add_f32_e32 v19, v18, v19                                 ; 06262712
	s_cbranch_scc1 BB2                                          ; bfa2fff0
BB3:
	s_waitcnt vmcnt(0)                                          ; bf8903f7
	s_cbranch_vccnz BB1                                         ; bfa4ffe0
BB4:
	s_endpgm                                                    ; bfb00000
*** SHADER STATS ***
VGPRs: 48
Instructions: 17
`;

describe('the loop that multiplies', () => {
  it('is the innermost one, and what belongs to loading is counted around it', () => {
    expect(productLoop(lines(CODE))).toEqual({
      ...{ instructions: 6, vectorInstructions: 4, multiplyAdds: 2, matrixProducts: 0, workgroupReads: 1 },
      ...{ narrowLoads: 1, integerProducts: 1, integerMinima: 1, loadWaits: 0 },
    });
  });

  it('waits where fewer loads may be under way than it has begun', () => {
    const waits = CODE.replace('BB2:', '\ts_waitcnt vmcnt(1)  ; bf8907f7\nBB2:');
    expect(productLoop(lines(waits))!.loadWaits).toBe(1);
  });

  it("is found in what RADV's own compiler prints where LLVM does not know the GPU", () => {
    const code = `
BB0
/* logical preds: / linear preds: / kind: uniform, top-level, */
BB1
	 v4: %1:v[4-7] = buffer_load_dwordx4 %2:s[4-7], %3:v[0], 0 offen
	s_wait_loadcnt imm:0
	 v4: %4:v[8-11] = ds_read_b128 %5:v[1]
	 v1: %6:v[12] = v_fmac_f32 %4:v[8], %1:v[4], %6:v[12]
	s_cbranch_scc1 block:BB1
`;
    expect(productLoop(lines(code))).toMatchObject({ multiplyAdds: 1, vectorInstructions: 1, loadWaits: 1 });
    expect(loopLoads(lines(code))).toBe(1);
  });

  it('is none where nothing is multiplied in a loop', () => {
    expect(productLoop(lines('BB0:\n\tv_fmac_f32_e32 v0, v1, v2\n\ts_endpgm'))).toBeNull();
    expect(loopLoads(lines('BB0:\n\ts_endpgm'))).toBeNull();
  });
});

it('counts the kernels that miss a goal, for registers only on the family that the goals were set for', () => {
  const reader = new StatisticsReader();
  for (const line of lines(CODE)) reader.read(line);
  const statistics = reader.take()!;
  const rows = [{ kernel: 'matmul/tile', settings: '{}', statistics: { ...statistics, vgprs: 156 } }];
  const missed = (compiler: string) => countersOf(rows, compiler).flatMap(({ name, missed }) => (missed ? [name] : []));
  const loops = [
    ...['multiply-adds per vector instruction', 'multiply-adds per read of workgroup memory'],
    ...['bounds checks in the loop', 'loads under 8 bytes in the loop'],
  ];
  expect(missed('radv vega20')).toEqual(loops);
  expect(missed('radv navi31')).toEqual(['vector registers', 'subgroups per SIMD', ...loops]);
});
