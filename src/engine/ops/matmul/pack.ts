/** Copies an operand into the layout that the fast kernels read. */
import { type BufferReference, gridFor, type StorageFormat } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { ceilDiv } from '../../tensor/shape.ts';
import { type Draft, scratchOf } from './draft.ts';

/** An operand as the fast kernels read it: rows of `stride` vec4f. */
export interface PackedOperand {
  readonly buffer: BufferReference;
  readonly stride: number;
  readonly batchStride: number;
}

/** A number for each row [rows] to multiply it by, and one for all. */
export interface InnerScale {
  readonly scale: BufferReference;
  readonly gain: number;
}

/**
 * Copies an operand, in the element format `storage`, into scratch as `rows` rows of `columns` elements, both padded with zeros to multiples
 * of four; each row multiplied by its number in `inner` where that is given. `transposed`: the source is stored [columns, rows].
 */
export function packOperand(
  source: BufferReference,
  batch: number,
  [rows, columns]: readonly [number, number],
  transposed: boolean,
  { storage }: { readonly storage?: StorageFormat },
  draft: Draft,
  inner?: InnerScale,
): PackedOperand {
  const rows4 = ceilDiv(rows, 4);
  const columns4 = ceilDiv(columns, 4);
  const blocks = batch * rows4 * columns4;
  const packed = scratchOf(draft, blocks * (storage === 'f16' ? 32 : 64));
  const buffers = { source, scale: inner?.scale ?? scratchOf(draft, 16), packed };
  const scaling = { hasScale: inner ? 1 : 0, gain: inner?.gain ?? 1 };
  if (rows % 4 === 0 && columns % 4 === 0) {
    draft.dispatches.push({
      kernel: kernel('matmul/packBlock'),
      storage,
      buffers,
      uniforms: { size: blocks, rows4, columns4, transposed: transposed ? 1 : 0, ...scaling },
      workgroups: gridFor(blocks, 64),
    });
  } else {
    draft.dispatches.push({
      kernel: kernel('matmul/pack'),
      storage,
      buffers,
      uniforms: {
        size: blocks * 4,
        rows: rows4 * 4,
        quads: columns4,
        sourceRows: rows,
        sourceColumns: columns,
        batch: rows * columns,
        row: transposed ? 1 : columns,
        column: transposed ? rows : 1,
        ...scaling,
      },
      workgroups: gridFor(blocks * 4, 64),
    });
  }
  return { buffer: packed, stride: columns4, batchStride: batch > 1 ? rows4 * 4 * columns4 : 0 };
}
