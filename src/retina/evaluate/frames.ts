/** Segmentation scores at the pictures' own resolution, so that networks of any input size, tiled or whole, can be compared. */
import { imageTensor } from '../data/loading/batch.ts';
import { mapMaskToFrame } from '../data/pictures/geometry.ts';
import { decodeMask } from '../data/pictures/mask.ts';
import type { Sample } from '../data/pictures/sample.ts';
import { type DatasetItem, type Structure, STRUCTURES } from '../domain.ts';
import { GmtlError } from '../../engine/errors.ts';
import { ScorePlanes } from '../predict/frameMapper.ts';
import type { Predictor } from '../predict/predictor.ts';
import type { TiledSummary, Tiling } from '../predict/slidingWindow.ts';
import { type StructureScores, SegmentationAccumulator } from '../metrics/segmentation.ts';

/** One structure of one image, one number per pixel, row by row. The arrays are overwritten after the call. */
export interface StructurePlane {
  readonly item: DatasetItem;
  readonly structure: Structure;
  /** 0 or 1. */
  readonly truth: Uint8Array;
  readonly probability: Float32Array;
  readonly width: number;
  readonly height: number;
}

export interface EvaluateFramesOptions {
  /** `null`: the whole picture at the network's size, mapped back. Default: tiled where `data.tiles.mode` is on. */
  readonly tiling?: Tiling | null;
  /** Average over the four flips. Default false. */
  readonly flips?: boolean;
  /**
   * `frame`: the original frame against the native masks. `crop`: the prepared square that tiles are cut from against its own masks, without
   * decoding files again: for validation while training. Default `frame`.
   */
  readonly space?: 'frame' | 'crop';
  /** Where scores go (thresholds, bins). Default: one of `config.model.structures` at 0.5. */
  readonly accumulator?: SegmentationAccumulator;
  /** Sees every plane that is scored: lesion-level scores, pictures. */
  readonly onPlane?: (plane: StructurePlane) => void;
  /** Sees each tiled image's gate and, with router fusion, its grades. */
  readonly onTiled?: (item: DatasetItem, summary: TiledSummary) => void;
  readonly onImages?: (done: number, total: number) => void;
}

export interface FrameEvaluation {
  readonly images: number;
  readonly mode: 'whole' | 'tiled';
  readonly space: 'frame' | 'crop';
  readonly flips: boolean;
  /** Tiles predicted (the four flips of a tile count once); 0 for whole pictures. */
  readonly tiles: number;
  readonly segmentation: Readonly<Record<string, StructureScores>>;
  /** Seconds spent on prediction (with mapping to the frame), and on everything. */
  readonly seconds: { readonly prediction: number; readonly all: number };
  readonly peak: {
    /** Blending sums and the tiles being predicted, see `TiledPeak`. */
    readonly accumulatorBytes: number;
    /** Probabilities of one image that wait to be scored. */
    readonly scoreBytes: number;
    /** The process's resident memory at its highest between steps. */
    readonly residentBytes: number;
  };
}

/** One image's probabilities, one structure at a time. */
interface Predicted {
  readonly plane: (index: number) => Float32Array;
  readonly bytes: number;
}

const NATIVE = (sample: Sample): Sample['box'] => sample.box;

/** The sample's square as its own frame. */
const square = ({ size }: Sample): Sample['box'] => ({ left: 0, top: 0, size, width: size, height: size });

/**
 * Predicts the masks of every segmentation item (others are left out) in the original frame and scores them there, one structure after the
 * other: beside the picture, 2 bytes per pixel and structure plus one plane of floats (49 MB for 4288x2848) are alive.
 *
 * @throws GmtlError `data/empty-split` without segmentation items, `data/all-bad` when none can be read; what the files' readers throw.
 */
export async function evaluateFrames(
  predictor: Predictor,
  items: readonly DatasetItem[],
  options: EvaluateFramesOptions = {},
): Promise<FrameEvaluation> {
  const own = items.filter((item) => item.task === 'segmentation' && item.maskPaths !== null);
  if (own.length === 0)
    throw new GmtlError('data/empty-split', 'No image with masks among those to score in their frames.');
  const { flips = false, space = 'frame' } = options;
  const { config, source } = predictor;
  const tiling = options.tiling === undefined ? predictor.tiling : options.tiling;
  const { structures } = config.model;
  const scores = options.accumulator ?? new SegmentationAccumulator(structures);
  const peak = { accumulatorBytes: 0, scoreBytes: 0, residentBytes: 0 };
  const notice = (): void => {
    peak.residentBytes = Math.max(peak.residentBytes, process.memoryUsage.rss());
  };
  const seconds = { prediction: 0, all: 0 };
  const started = performance.now();
  const { imageSize } = config.data;
  const { normalization } = source.options;
  const frameOf = space === 'frame' ? NATIVE : square;
  let tiles = 0;
  let images = 0;
  let line = new Float32Array(0);

  const predictTiles = async (item: DatasetItem, sample: Sample, how: Tiling): Promise<Predicted> => {
    const frame = frameOf(sample);
    const planes = new ScorePlanes(frame.width, frame.height, structures.length);
    const summary = await predictor.predictTiled({ ...sample, box: frame }, how, flips, planes);
    tiles += summary.tiles;
    peak.accumulatorBytes = Math.max(peak.accumulatorBytes, summary.peak.accumulatorBytes);
    peak.residentBytes = Math.max(peak.residentBytes, summary.peak.residentBytes);
    options.onTiled?.(item, summary);
    if (line.length !== frame.width * frame.height) line = new Float32Array(frame.width * frame.height);
    const plane = (index: number): Float32Array => {
      planes.read(index, line);
      return line;
    };
    return { plane, bytes: planes.bytes + line.byteLength };
  };

  const predictWhole = async (sample: Sample): Promise<Predicted> => {
    const choice = predictor.ownChoice('segmentation');
    const [{ masks }] = await predictor.predict(imageTensor(sample, normalization), 1, { choice, flips });
    if (masks === null)
      throw new GmtlError('train/frames', 'The network gave no masks, though its segmentation expert was asked.');
    const frame = frameOf(sample);
    const channel = (index: number): Float32Array => masks.filter((_, at) => at % structures.length === index);
    const bytes = 4 * frame.width * frame.height;
    return { plane: (index) => mapMaskToFrame(channel(index), frame), bytes };
  };

  for (const [done, item] of own.entries()) {
    const small = await source.sample(item, imageSize);
    const large = small && tiling && (await source.sample(item, predictor.tiledSide(small.box, tiling)));
    const sample = tiling ? large : small;
    if (sample !== null) {
      const before = performance.now();
      const predicted = await (tiling ? predictTiles(item, sample, tiling) : predictWhole(sample));
      seconds.prediction += (performance.now() - before) / 1000;
      peak.scoreBytes = Math.max(peak.scoreBytes, predicted.bytes);
      const { width, height } = frameOf(sample);
      for (const [index, structure] of structures.entries()) {
        const truth =
          space === 'crop' ? maskPlane(sample, structure) : await nativeMask(item, structure, width, height);
        const probability = predicted.plane(index);
        scores.add(item.id, structure, truth, probability);
        options.onPlane?.({ item, structure, truth, probability, width, height });
        notice();
      }
      images++;
    }
    options.onImages?.(done + 1, own.length);
  }
  if (images === 0) {
    throw new GmtlError(
      'data/all-bad',
      `Not one of the ${own.length} images to score could be read. Run "gmtl data verify".`,
    );
  }
  seconds.all = (performance.now() - started) / 1000;
  const mode = tiling ? 'tiled' : 'whole';
  return { images, mode, space, flips, tiles, segmentation: scores.result(), seconds, peak };
}

/** The mask as drawn, 0 or 1; no file means that the structure is absent. */
async function nativeMask(item: DatasetItem, structure: Structure, width: number, height: number): Promise<Uint8Array> {
  const path = item.maskPaths?.[structure] ?? null;
  if (path === null) return new Uint8Array(width * height);
  return (await decodeMask(path, { structure, expected: { width, height } })).data;
}

function maskPlane({ maskBits, size }: Sample, structure: Structure): Uint8Array {
  const bit = STRUCTURES.indexOf(structure);
  return maskBits ? maskBits.map((bits) => (bits >> bit) & 1) : new Uint8Array(size * size);
}
