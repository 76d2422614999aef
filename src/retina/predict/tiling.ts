/** A network's masks of a prepared picture on the frame it came from, tile by tile. */
import type { Engine } from '../../engine/autograd/engine.ts';
import type { Normalization } from '../data/loading/augment.ts';
import type { CropBox } from '../data/pictures/fov.ts';
import type { Sample } from '../data/pictures/preprocess.ts';
import type { MultitaskNet } from '../network/network.ts';
import type { TrainConfig } from '../config/resolve.ts';
import { predict, type TaskChoice } from './predict.ts';
import { predictTiled, ROUTER_FUSION, sideForTiles, type TiledOptions, type TiledSummary } from './slidingWindow.ts';
import { predictFlips, type TilePredictor } from './flips.ts';
import { FrameMapper, type FrameRow } from './frameMapper.ts';

/** How a picture is tiled; what is left out follows the configuration. */
export interface Tiling extends Partial<Pick<TiledOptions, 'overlap' | 'sigma' | 'fusion' | 'edge' | 'batch'>> {
  /** Frame pixels that a tile shows along a side, whatever the picture's size; null or absent: as `data.tiles.side` has it. */
  readonly source?: number | null;
}

/** System A's inference: 2048 frame pixels a tile, no overlap, mirrored edges, tiles and grades fused by the router. */
export const SYSTEM_A_TILING = { ...ROUTER_FUSION, source: 2048 } as const satisfies Tiling;

/** Side at which a picture is prepared for tiling. */
export function tiledSide(box: CropBox, config: TrainConfig, tiling: Tiling): number {
  if (tiling.source != null) return sideForTiles(box.size, tiling.source, config.data.imageSize);
  return config.data.tiles.side ?? box.size;
}

/**
 * A network as the tiled path calls it, optionally averaged over the four flips.
 *
 * @param choice not `gate`: each tile and flip would be routed by itself.
 */
export function modelPredictor(
  engine: Engine,
  model: MultitaskNet,
  choice: Exclude<TaskChoice, 'gate'>,
  flips: boolean,
): TilePredictor {
  const run: TilePredictor = (images, count) => predict(engine, model, images, count, choice);
  return flips ? predictFlips(run) : run;
}

/** The experts that tiles need: segmentation's, and with router fusion both; blended where the network was trained so. */
export function tiledChoice(config: TrainConfig, tiling: Tiling): Exclude<TaskChoice, 'gate'> {
  if (config.training.routing === 'soft') return 'soft';
  return tiling.fusion === 'router' ? 'both' : 'segmentation';
}

/**
 * Predicts a picture's masks tile by tile and hands them on row by row of the frame.
 *
 * @param sample prepared at {@link tiledSide}; its masks are not looked at.
 * @param row receives [columns, classes] of each frame row that the crop reaches.
 */
export async function segmentTiled(
  run: TilePredictor,
  sample: Sample,
  config: TrainConfig,
  normalization: Normalization,
  tiling: Tiling,
  row: FrameRow,
): Promise<TiledSummary> {
  const { source: _, ...given } = tiling;
  const classes = config.model.structures.length;
  const mapper = new FrameMapper(sample.box, sample.size, classes, row);
  const picture = { width: sample.size, height: sample.size, data: sample.image };
  const options = { overlap: config.data.tiles.overlap, ...given, tile: config.data.imageSize, classes, normalization };
  return predictTiled(run, picture, options, (top, count, values) => mapper.push(top, count, values));
}
