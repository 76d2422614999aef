/** Report data like that of a run, with its awkward cases: long names, undefined figures, no lesions, odd sizes. */
import { drawFundus } from '../../data/synth/fundus.ts';
import { STRUCTURES, type Structure } from '../../domain.ts';
import type { StructureMasks } from '../overlay.ts';
import { idridModelCard } from './card.ts';
import {
  type Figure,
  type FigureText,
  type NamedFigure,
  capitalized,
  GRADE_FIGURES,
  STRUCTURE_FIGURES,
} from '../../metrics/figures.ts';
import type { GalleryImage, MaskSet, ReliabilityBar, ReportData } from './data.ts';
import { type LogRow, trainingPanels } from './training.ts';

const RETINOPATHY = ['no retinopathy', 'mild', 'moderate', 'severe', 'proliferative'];
const EDEMA = ['no exudates', 'away from the macula', 'near the macula'];

/** A name that would break a page that does not escape it. */
export const HOSTILE_NAME = `IDRiD_<img src=x onerror="alert(1)">&'"</script><!--${'long'.repeat(18)}.jpg`;

const around = (value: number, half = 0.08): Figure => ({
  value,
  low: Math.max(0, value - half * 1.1),
  high: Math.min(1, value + half),
});
const UNDEFINED: Figure = { value: Number.NaN, low: Number.NaN, high: Number.NaN };

/** A mask moved down and right by some pixels: a prediction that is neither right nor wholly wrong. */
function shifted(mask: Uint8Array, width: number, by: number): Uint8Array {
  return mask.map((_, at) => (at >= by * width + by ? mask[at - by * width - by] : 0));
}

function diceOf(truth: Uint8Array, predicted: Uint8Array): number {
  let both = 0;
  let sum = 0;
  for (let at = 0; at < truth.length; at++) {
    both += truth[at] & predicted[at];
    sum += truth[at] + predicted[at];
  }
  return (2 * both) / sum;
}

/** A drawn retina as the gallery shows it. Every third is a graded one, every fifth is misrouted. */
export function syntheticPicture(index: number, height = 128): GalleryImage {
  const retinopathy = index % 5;
  const edema = retinopathy < 2 ? 0 : index % 3;
  const fundus = drawFundus(`report/${index}`, height, {
    retinopathy,
    edema,
    softExudates: retinopathy === 3,
  } as Parameters<typeof drawFundus>[2]);
  const { width } = fundus;
  const isGraded = index % 3 === 2;
  const image = { data: new Uint8Array(fundus.rgb), width, height };
  const misrouted = index % 5 === 1;
  const [own, other] = isGraded ? ['classification', 'segmentation'] : ['segmentation', 'classification'];
  const gate = { truth: own, routed: misrouted ? other : own, probability: 0.55 + (index % 9) / 20 };
  const id = index === 1 ? HOSTILE_NAME : `${isGraded ? 'B' : 'A'}/test/IDRiD_${String(index + 1).padStart(2, '0')}`;
  if (isGraded) {
    const predicted = (retinopathy + (index % 2)) % 5;
    return {
      id,
      image,
      gate,
      grades: [
        { task: 'DR', truth: retinopathy, predicted, probability: 0.61, names: RETINOPATHY },
        { task: 'DME', truth: edema, predicted: edema, probability: Number.NaN, names: EDEMA },
      ],
    };
  }
  const truth: StructureMasks = fundus.masks;
  const predicted = Object.fromEntries(
    STRUCTURES.map((lesion) => [
      lesion,
      shifted(truth[lesion] ?? new Uint8Array(width * height), width, 1 + (index % 4)),
    ]),
  ) as Record<Structure, Uint8Array>;
  const set = (masks: StructureMasks): MaskSet => ({ width, height, masks });
  const dice = Object.fromEntries(STRUCTURES.map((lesion) => [lesion, diceOf(truth[lesion]!, predicted[lesion])]));
  return { id, file: `images/${id}`, image, truthMasks: set(truth), predictedMasks: set(predicted), gate, dice };
}

/** An epoch log with a validation every other epoch. */
function syntheticLog(epochs = 30): LogRow[] {
  return Array.from({ length: epochs }, (_, index): LogRow => {
    const decay = Math.exp(-index / 9);
    const wobble = 0.03 * Math.sin(index * 1.7);
    const validated = index % 2 === 1;
    const val = (value: number): number | null => (validated ? value : null);
    return {
      step: (index + 1) * 50,
      epoch: index + 1,
      learningRate: 1e-3 * 0.5 * (1 + Math.cos((Math.PI * index) / epochs)),
      train_total: 0.4 + 1.8 * decay + wobble,
      train_bce: 0.1 + 0.5 * decay,
      train_dice: 0.4 + 0.5 * decay,
      train_retinopathy: 0.6 + decay,
      train_gate: 0.68,
      train_entropy: 0.65 - 0.1 * decay,
      train_gateAccuracy: 0.6 - 0.1 * decay,
      train_weight_segmentation: 1 + 0.2 * decay,
      train_weight_classification: 1 - 0.2 * decay,
      train_gradientCosine: 0.1 + wobble * 4,
      val_total: val(0.6 + 1.5 * decay - wobble),
      val_bce: val(0.15 + 0.5 * decay),
      val_retinopathy: val(0.9 + 0.6 * decay),
      ...Object.fromEntries(
        STRUCTURES.map((lesion, at) => [`val_dice_${lesion}`, val([0, 0.25, 0.4, Number.NaN, 0.9][at] * (1 - decay))]),
      ),
      val_retinopathyAccuracy: val(0.7 - 0.4 * decay),
      val_retinopathyQwk: val(0.6 - 0.8 * decay),
      val_gateAccuracy: val(0.58 - 0.08 * decay),
      val_score: val(0.6 - 0.3 * decay),
    };
  });
}

function bins(cases: number): ReliabilityBar[] {
  return Array.from({ length: 15 }, (_, bin) => ({
    low: bin / 15,
    high: (bin + 1) / 15,
    count: bin < 4 ? 0 : Math.round(cases / 11),
    confidence: bin < 4 ? 0 : (bin + 0.5) / 15,
    accuracy: bin < 4 ? 0 : 0.75 * ((bin + 0.5) / 15) + 0.1,
  }));
}

/** Figures of a catalogue that have a value here. */
function read<Key extends string>(
  entries: Readonly<Record<Key, FigureText>>,
  values: { readonly [Name in Key]?: Figure },
): NamedFigure[] {
  return Object.entries<Figure | undefined>(values).flatMap(([key, figure]) =>
    figure ? [{ key, label: capitalized(entries[key as Key].label), figure }] : [],
  );
}

const falling = (start: number, end: number): [number, number][] =>
  Array.from({ length: 40 }, (_, index) => [index / 39, start + (end - start) * (index / 39) ** 2]);

/** @param pictures how many the gallery has. @param height of each in pixels. */
export function syntheticReport(pictures = 6, height = 96): ReportData {
  const figures = (...rows: [string, Figure, Partial<NamedFigure>?][]): NamedFigure[] =>
    rows.map(([label, figure, rest]) => ({ label, figure, ...rest }));
  const counts = [28, 4, 2, 0, 0, 2, 0, 3, 0, 0, 5, 2, 20, 4, 1, 1, 0, 7, 9, 2, 0, 0, 3, 4, 6];
  const dice = [0.02, 0.31, 0.52, Number.NaN, 0.93];
  return {
    title: 'convnext-gated on a synthetic set',
    subtitle:
      'runs/2026-11-24T00-31-convnext-gated-idrid-512 · test split · checkpoint ‘best’, step 1500 · averaged weights',
    created: '2026-11-24T01:00:00Z',
    headline: figures(
      ['Mean lesion Dice', around(0.31), { note: '4 lesions, 27 images' }],
      ['Optic disc IoU', around(0.92, 0.02)],
      ['Retinopathy kappa', { value: 0.64, low: 0.49, high: 0.76 }, { note: 'quadratic weights' }],
      ['Retinopathy accuracy', around(0.62)],
      ['Joint accuracy', around(0.54), { note: 'both grades right' }],
      ['Soft exudates AUPR', UNDEFINED, { note: 'no soft exudates in this split' }],
    ),
    caveats: [
      'Grades are derived from the masks, not IDRiD’s own: figures say that the software learns, not how good it would be.',
    ],
    summary: [
      {
        title: 'Grading',
        figures: figures(
          ['Retinopathy accuracy', around(0.62)],
          ['Retinopathy kappa', around(0.64), { note: 'quadratic weights', range: [-1, 1] }],
          ['Retinopathy ECE', around(0.11, 0.03), { better: 'low' }],
          ['Joint accuracy', around(0.54)],
        ),
      },
      {
        title: 'Segmentation and gate',
        figures: figures(
          ['Mean lesion Dice', around(0.31)],
          ['Soft exudates Dice', UNDEFINED],
          ['Gate accuracy', around(0.55)],
        ),
      },
    ],
    grading: [
      {
        name: 'Diabetic retinopathy',
        cases: 103,
        classNames: RETINOPATHY.map((name, grade) => `${grade} ${name}`),
        confusion: counts,
        figures: figures(
          ['Accuracy', around(0.62)],
          ['Balanced accuracy', around(0.5)],
          ['Quadratic weighted kappa', around(0.64), { range: [-1, 1] }],
          ['Macro F1', around(0.48)],
          ['AUROC, referable', around(0.88, 0.05), { note: 'grade 2 and above' }],
          ['Brier score', around(0.5), { better: 'low', range: [0, 2] }],
        ),
        classes: RETINOPATHY.map((name, grade) => ({
          name: `${grade} ${name}`,
          support: [34, 5, 32, 19, 13][grade],
          figures: read(GRADE_FIGURES, {
            sensitivity: around([0.82, 0.4, 0.63, 0.47, 0.46][grade], 0.15),
            specificity: around(0.88, 0.06),
            precision: around(0.6, 0.1),
            f1: around(0.55, 0.1),
            auroc: grade === 1 ? UNDEFINED : around(0.8, 0.07),
          }),
        })),
        reliability: [
          { title: 'Reliability', bins: bins(103), ece: around(0.11, 0.03) },
          {
            title: 'Reliability after temperature',
            bins: bins(103),
            ece: around(0.05, 0.03),
            note: 'T = 1.62, fitted on validation data',
          },
        ],
      },
      {
        name: 'Macular edema',
        cases: 103,
        classNames: EDEMA,
        confusion: [40, 3, 2, 3, 4, 3, 4, 4, 40],
        figures: figures(['Accuracy', around(0.81)], ['Quadratic weighted kappa', around(0.77), { range: [-1, 1] }]),
        classes: EDEMA.map((name) => ({
          name,
          support: 34,
          figures: read(GRADE_FIGURES, { sensitivity: around(0.8), specificity: around(0.9) }),
        })),
        reliability: [{ title: 'Reliability', bins: bins(103), ece: { value: 0.08 } }],
      },
    ],
    segmentation: {
      note: 'Scored at 128 × 128 pixels, the network’s resolution; masks shrunk by area maximum.',
      figures: figures(['Mean Dice, lesions', around(0.31)], ['Mean AUPR, lesions', around(0.29)]),
      structures: STRUCTURES.map((structure, at) => ({
        structure,
        figures: read(STRUCTURE_FIGURES, {
          dice: Number.isNaN(dice[at]) ? UNDEFINED : around(dice[at]),
          iou: Number.isNaN(dice[at]) ? UNDEFINED : around(dice[at] / (2 - dice[at])),
          perImageDice: around(0.3),
          perImageIou: around(0.2),
          averagePrecision: at === 3 ? UNDEFINED : around([0.04, 0.3, 0.5, 0, 0.96][at]),
          auprc11: around([0.03, 0.28, 0.5, 0, 0.95][at]),
          sensitivity: around(0.4),
          ppv: at === 0 ? { value: 0.0001 } : around(0.5),
        }),
        images: 27,
        emptyImages: at === 3 ? 27 : 0,
        threshold: 0.4 + at / 20,
        precisionRecall: at === 3 ? [] : falling(0.95, [0.01, 0.05, 0.2, 0, 0.8][at]),
        froc: structure === 'OD' ? [] : falling(0.05, 0.7).map(([x, y]): [number, number] => [x * 20, y]),
      })),
    },
    gate: {
      cases: 130,
      figures: figures(
        ['Accuracy', around(0.55)],
        ['Mean entropy', { value: 0.66 }, { note: 'nats; ln 2 = 0.693 is undecided', range: [0, Math.LN2] }],
      ),
      routes: [
        { name: 'segmentation', truth: 27, routed: 61, meanProbability: 0.48 },
        { name: 'classification', truth: 103, routed: 69, meanProbability: 0.52 },
      ],
      misroutes: Array.from({ length: 24 }, (_, index) => ({
        id: index === 0 ? HOSTILE_NAME : `B/test/IDRiD_${String(index).padStart(3, '0')}`,
        truth: 'classification',
        routed: 'segmentation',
        probability: 0.9 - index / 60,
      })),
      reliability: [{ title: 'Reliability of the gate', bins: bins(130), ece: around(0.09, 0.04) }],
    },
    training: trainingPanels(syntheticLog()),
    gallery: { images: Array.from({ length: pictures }, (_, index) => syntheticPicture(index, height)) },
    calibration: {
      note: 'Fitted on the validation split only.',
      columns: ['what', 'fitted', 'before', 'after'],
      rows: [
        ['temperature, retinopathy', 1.62, 0.11, 0.05],
        ['threshold, MA', 0.4, 0.01, 0.02],
      ],
    },
    configuration: {
      model: { architecture: 'convnext-gated', widths: [40, 80, 160, 320] },
      loss: { diceWeight: 1, note: HOSTILE_NAME },
    },
    environment: [
      ['adapter', 'llvmpipe (LLVM 15.0.6, 256 bits)'],
      ['driver', 'Mesa 25.0.7'],
      ['gmtl', '0.1.0'],
      ['Node', '20.19.4'],
      ['seed', '1'],
    ],
    data: {
      source: '/data/idrid-512',
      fingerprint: 'sha256:9f2c1b7e5d3a4c6f8e0b1a2d3c4e5f60718293a4b5c6d7e8f90123456789abcd',
      splits: {
        columns: ['split', 'with masks', 'graded', 'DR 0 to 4', 'masks'],
        rows: [
          ['train', 43, 330, '107 16 109 59 39', 'MA 43, HE 42, EX 43, SE 21, OD 43'],
          ['validation', 11, 83, '27 4 27 15 10', 'MA 11, HE 11, EX 11, SE 5, OD 11'],
          ['test', 27, 103, '34 5 32 19 13', 'MA 27, HE 27, EX 27, SE 14, OD 27'],
        ],
      },
      notes: ['2 pictures stand in both parts; they were kept on one side of the split.'],
    },
    modelCard: idridModelCard({ network: 'ConvNeXt 40-80-160-320 with a gate, a U-Net decoder and two graders.' }),
  };
}
