/** Features for gate and grading heads beyond those of the last stage: every stage's map, and what the masks find. */
import type { Tensor } from '../../engine/autograd/tensor.ts';
import * as F from '../../engine/nn/functional.ts';
import { LayerNorm } from '../../engine/nn/normalization.ts';
import { block, Module } from '../../engine/nn/module.ts';
import type { GradeFeatures, Routes } from './network.ts';

/** Numbers that {@link findings} gives for each structure. */
const FINDINGS = 2;

/**
 * Findings of masks for a grader, per structure: whether it is present (its largest logit), and how much of it (the logarithm of the share
 * of the image that is expected to be covered), both scaled to the order of 1. Mask logits [N, H, W, K] → [N, 2 K], float32.
 */
export function findings(maskLogits: Tensor): Tensor {
  return block(maskLogits, () => {
    const surest = maskLogits.max([1, 2]).mul(0.25);
    // The offset of a thousandth of the image bounds the logarithm; differences below that share carry little information.
    const share = maskLogits.sigmoid().mean([1, 2]).add(1e-3).log().add(5);
    return F.concat([surest, share], -1);
  });
}

/**
 * Pools the maps of all stages over a whole image: for each stage the mean and the maximum over the pixels of every channel, normalized
 * together (LayerNorm). The maximum keeps a lesion of a few pixels that a mean over the map loses, and the fine maps are those that the
 * mask decoder teaches through its skip connections. With `masks`, the {@link findings} of the masks too.
 */
export class StagePool extends Module {
  readonly norms: readonly LayerNorm[];
  /** Structures whose masks are read; 0: none. */
  readonly masks: number;
  /** Length of the result: twice the channels of all stages, and two numbers of each structure that is read. */
  readonly outFeatures: number;

  /** @param channels Channels of the stages' maps, in the order of the maps; none: the maps are not read. */
  constructor(channels: readonly number[], masks = 0) {
    super();
    this.norms = channels.map((count) => new LayerNorm(2 * count, 1e-6));
    this.masks = masks;
    this.outFeatures = channels.reduce((sum, count) => sum + 2 * count, FINDINGS * masks);
  }

  /** Maps [N, h, w, C] of every stage, and mask logits [N, H, W, masks] where they are read → [N, outFeatures], float32. */
  forward(features: readonly Tensor[], maskLogits: Tensor | null): Tensor {
    return block(features[0], () => {
      const pooled = this.norms.map((norm, stage) => {
        const map = features[stage];
        return norm.forward(F.concat([map.mean([1, 2]), map.max([1, 2]).cast('f32')], -1));
      });
      if (maskLogits === null) return F.concat(pooled, -1);
      // Findings alone are read as they are: a head of ten inputs would bend the masks to its needs faster than it learns to read them.
      return pooled.length === 0 ? findings(maskLogits.detach()) : F.concat([...pooled, findings(maskLogits)], -1);
    });
  }
}

/** The stage pool of a gate or of grading heads; null where they see the pooled features of the last stage alone. */
export function stagePoolFor(
  sees: GradeFeatures | undefined,
  masks: number,
  channels: readonly number[],
): StagePool | null {
  if (sees === undefined || sees === 'pooled') return null;
  return new StagePool(sees === 'masks' ? [] : channels, sees === 'stages' ? 0 : masks);
}

/**
 * The masks of every row that are read: those routed to segmentation and, where grading heads read masks, those routed to
 * classification. They are decoded once, or taken from `decoded`, which has all rows.
 */
export function decodeMasks(
  { segmentation, classification }: Routes,
  gradersRead: boolean,
  decoded: Tensor | null,
  decode: (rows: readonly number[]) => Tensor,
): { readonly segmented: Tensor | null; readonly graded: Tensor | null } {
  const readToGrade = gradersRead ? classification : [];
  const rows = [...new Set([...segmentation, ...readToGrade])].sort((a, b) => a - b);
  if (rows.length === 0) return { segmented: null, graded: null };
  const masks = decoded ?? decode(rows);
  const placeOf = (row: number): number => (decoded ? row : rows.indexOf(row));
  const of = (wanted: readonly number[]): Tensor | null =>
    wanted.length === 0 ? null : F.selectRows(masks, wanted.map(placeOf));
  return { segmented: of(segmentation), graded: of(readToGrade) };
}
