/** Several networks that answer as one: folds of a cross-validation, or the same training under several seeds. */
import { GmtlError } from '../../engine/errors.ts';
import { GRADED_TASKS } from '../domain.ts';
import type { PictureSource } from '../data/loading/pictureSource.ts';
import { meanPrediction, spreadOf } from './combine.ts';
import type { Prediction, Spread } from './prediction.ts';
import type { PredictOptions, PreparedAs } from './pictureNetwork.ts';
import { Predictor, routedByGate } from './predictor.ts';

/**
 * A predictor whose probabilities, of masks, grades and gate, are the mean of its members' (Lakshminarayanan et al., "Simple and Scalable
 * Predictive Uncertainty Estimation using Deep Ensembles", NeurIPS 2017); how far their grades disagree is in `spread.networks`. The gate
 * routes by the mean. It owns its members.
 */
export class Ensemble<Source extends PreparedAs = PictureSource> extends Predictor<Source> {
  readonly #members: readonly Predictor<Source>[];

  /** @throws GmtlError `infer/ensemble` where members prepare pictures, or answer, differently. */
  constructor(members: readonly Predictor<Source>[]) {
    const [first] = members;
    const { engine, model, config, source, trainingSet } = first;
    super({ engine, model, config, source, trainingSet });
    this.#members = members;
    for (const [index, member] of members.entries()) requireAlike(first, member, index + 1);
  }

  override async predict(
    images: Float32Array,
    count: number,
    { choice, flips = false }: PredictOptions,
  ): Promise<readonly Prediction[]> {
    const answers: (readonly Prediction[])[] = [];
    for (const member of this.#members) {
      answers.push(await member.predict(images, count, { choice: choice === 'gate' ? 'both' : choice, flips }));
    }
    return Array.from({ length: count }, (_, row): Prediction => {
      const own = answers.map((predictions) => predictions[row]);
      const flipSpread = own.flatMap(({ spread }) => spread?.flips ?? []);
      const spread = {
        networks: spreadOf(own),
        ...(flipSpread.length > 0 && { flips: meanSpread(flipSpread) }),
      };
      const mean = { ...meanPrediction(own, 'networks'), spread };
      return this.ofTaught(choice === 'gate' ? routedByGate(mean) : mean);
    });
  }

  override release(): void {
    for (const member of this.#members) member.release();
  }

  override dispose(): void {
    for (const member of this.#members) member.dispose();
  }
}

/** The mean of spreads, null where one has none. */
function meanSpread(spreads: readonly Spread[]): Spread {
  return Object.fromEntries(
    GRADED_TASKS.map((task) => {
      const own = spreads.flatMap((spread) => spread[task] ?? []);
      return [task, own.length < spreads.length ? null : own.reduce((sum, one) => sum + one, 0) / own.length];
    }),
  ) as Spread;
}

/** What members must have in common, by the name of the setting. */
function commonOf({ config, source, taught }: Predictor<PreparedAs>): Readonly<Record<string, unknown>> {
  const { model, data, training } = config;
  const { preprocess, normalization } = source.options;
  return {
    'model.structures': model.structures,
    'model.grades': model.grades,
    'model.gradeDecision': model.gradeDecision,
    'data.imageSize': data.imageSize,
    'data.tiles': [data.tiles.mode, data.tiles.side, data.tiles.overlap],
    'preparation of pictures': [preprocess, normalization],
    'tasks that were taught': taught,
    'soft routing': training.routing === 'soft',
  };
}

function requireAlike(first: Predictor<PreparedAs>, other: Predictor<PreparedAs>, number: number): void {
  const [common, own] = [commonOf(first), commonOf(other)];
  const differing = Object.keys(common).find((key) => JSON.stringify(common[key]) !== JSON.stringify(own[key]));
  if (differing === undefined) return;
  throw new GmtlError(
    'infer/ensemble',
    `network ${number} of the ensemble differs from the first in ${differing}: ${JSON.stringify(own[differing])} against ${JSON.stringify(common[differing])}. Networks that answer as one see the same picture and give the same answers`,
  );
}
