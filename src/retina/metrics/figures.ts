/**
 * Every figure of an evaluation, stated once: where it is read, what it is called, its scale, which direction is good. The terminal, the
 * report, the epoch log and the ranking of checkpoints walk these catalogues; the key is the figure's name among the intervals.
 */
import { type Evaluation, meanLesionDice } from './evaluation.ts';
import type { FrocScores } from './froc.ts';
import type { GateReport } from './gate.ts';
import { type GradingReport, SCREENING_BAR } from './grading.ts';
import type { ReferralReport } from './referral.ts';
import type { StructureScores } from './segmentation.ts';

/** A measured value, with the ends of its 95 % interval where one was computed. NaN and null are undefined. */
export interface Figure {
  readonly value: number | null;
  readonly low?: number | null;
  readonly high?: number | null;
}

/** The text that goes with a figure wherever it is shown; plain JSON. */
export interface FigureText {
  /** Spelled as within a sentence: `macro F1`. */
  readonly label: string;
  /** What it is measured on, or how to read it: one short line. */
  readonly note?: string;
  /** The ends of its scale. Default 0 and 1. */
  readonly range?: readonly [number, number];
  /** Which direction is good. Default 'high'. */
  readonly better?: 'high' | 'low';
}

/** How the terminal differs from the page. */
interface TerminalText {
  /** What the terminal calls it. Default: the label. */
  readonly terminal?: string;
  /** The terminal leaves out its interval, to save width. */
  readonly isBare?: boolean;
  /** The only place whose tables show it. Default: both. */
  readonly only?: 'page' | 'terminal';
}

/** A figure as the page shows it: its label begins with a capital. */
export interface NamedFigure extends FigureText {
  readonly key?: string;
  readonly figure: Figure;
}

/** An entry of a catalogue. */
export interface FigureEntry<Report, Key extends string = string> extends FigureText, TerminalText {
  readonly key: Key;
  /** Its value; undefined where the report has none, and NaN where it is not defined. */
  readonly of: (report: Report) => number | null | undefined;
  /** Its column in the epoch log, after the task: `retinopathyQwk`; and what its line is called there. */
  readonly logged?: { readonly column: string; readonly name: string };
}

type Catalogue<Report, Key extends string> = { readonly [Name in Key]: FigureEntry<Report, Name> };

const catalogue =
  <Report>() =>
  <Key extends string>(entries: Record<Key, Omit<FigureEntry<Report>, 'key'>>): Catalogue<Report, Key> =>
    Object.fromEntries(
      Object.entries<Omit<FigureEntry<Report>, 'key'>>(entries).map(([key, entry]) => [key, { key, ...entry }]),
    ) as Catalogue<Report, Key>;

const KAPPA = [-1, 1] as const;
const BAR = SCREENING_BAR.toFixed(2);

/** Figures of a graded task. */
export const GRADING_FIGURES = catalogue<GradingReport>()({
  accuracy: { label: 'accuracy', of: (report) => report.accuracy, logged: { column: 'Accuracy', name: 'accuracy' } },
  balancedAccuracy: { label: 'balanced accuracy', of: (report) => report.balancedAccuracy },
  macroPrecision: {
    label: 'macro precision',
    note: 'over the grades that occur',
    of: (report) => report.macro.precision,
  },
  macroRecall: { label: 'macro recall', note: 'over the grades that occur', of: (report) => report.macro.recall },
  macroF1: { label: 'macro F1', note: 'over the grades that occur', of: (report) => report.macro.f1 },
  quadraticWeightedKappa: {
    label: 'quadratic weighted kappa',
    of: (report) => report.quadraticWeightedKappa,
    range: KAPPA,
    logged: { column: 'Qwk', name: 'kappa' },
  },
  macroAuroc: { label: 'AUROC one against rest', note: 'mean over grades', of: (report) => report.macroAuroc },
  anyAuroc: {
    label: 'AUROC any',
    terminal: 'AUROC grade >= 1',
    note: 'grade 1 and above',
    of: (report) => report.anyAuroc,
  },
  referableAuroc: {
    label: 'AUROC referable',
    terminal: 'AUROC grade >= 2 (referable)',
    note: 'grade 2 and above',
    of: (report) => report.referableAuroc,
  },
  anySensitivityAtSpecificity90: {
    label: 'sensitivity for grade 1 and above',
    note: `at a specificity of at least ${BAR}`,
    of: ({ screening }) => screening.any?.sensitivityAtSpecificity90.sensitivity,
    only: 'page',
  },
  anySpecificityAtSensitivity90: {
    label: 'specificity for grade 1 and above',
    note: `at a sensitivity of at least ${BAR}`,
    of: ({ screening }) => screening.any?.specificityAtSensitivity90.specificity,
    only: 'page',
  },
  referableSensitivityAtSpecificity90: {
    label: 'sensitivity for grade 2 and above',
    note: `at a specificity of at least ${BAR}`,
    of: ({ screening }) => screening.referable?.sensitivityAtSpecificity90.sensitivity,
    only: 'page',
  },
  referableSpecificityAtSensitivity90: {
    label: 'specificity for grade 2 and above',
    note: `at a sensitivity of at least ${BAR}`,
    of: ({ screening }) => screening.referable?.specificityAtSensitivity90.specificity,
    only: 'page',
  },
  expectedCalibrationError: {
    label: 'calibration error',
    terminal: 'calibration error (ECE)',
    of: (report) => report.expectedCalibrationError,
    better: 'low',
  },
  brier: { label: 'Brier score', of: (report) => report.brier, better: 'low', range: [0, 2] },
  aurc: {
    label: 'area under risk and coverage',
    terminal: 'AURC',
    note: 'mean share of wrong grades among the most probable ones',
    of: (report) => report.aurc,
    better: 'low',
  },
});

/** Figures of one grade against the rest. */
export const GRADE_FIGURES = catalogue<GradingReport['classes'][number]>()({
  sensitivity: { label: 'sensitivity', of: (grade) => grade.sensitivity },
  specificity: { label: 'specificity', of: (grade) => grade.specificity },
  precision: { label: 'precision', of: (grade) => grade.precision, isBare: true },
  f1: { label: 'F1', of: (grade) => grade.f1, isBare: true },
  auroc: { label: 'AUROC', of: (grade) => grade.auroc },
});

/** Figures of one structure's masks, pixel by pixel. */
export const STRUCTURE_FIGURES = catalogue<StructureScores>()({
  dice: { label: 'Dice', of: (scores) => scores.dice },
  iou: { label: 'IoU', of: (scores) => scores.iou },
  perImageDice: { label: 'Dice per image', terminal: 'Dice/image', of: (scores) => scores.perImage.dice },
  perImageIou: { label: 'IoU per image', of: (scores) => scores.perImage.iou, only: 'page' },
  averagePrecision: { label: 'AUPR exact', of: (scores) => scores.averagePrecision },
  auprc11: { label: 'AUPR 11 thresholds', terminal: 'AUPR 11', of: (scores) => scores.auprc11, isBare: true },
  sensitivity: { label: 'sensitivity', of: (scores) => scores.sensitivity, isBare: true },
  ppv: { label: 'PPV', of: (scores) => scores.ppv, isBare: true },
});

/** Figures of one structure's connected regions. */
export const DETECTION_FIGURES = catalogue<FrocScores>()({
  sensitivity: {
    label: 'regions found',
    terminal: 'found',
    of: ({ operating }) => operating.sensitivity,
    only: 'terminal',
  },
  falsePositivesPerImage: {
    label: 'false positives per image',
    terminal: 'false/image',
    of: ({ operating }) => operating.falsePositivesPerImage,
    better: 'low',
    only: 'terminal',
  },
  sensitivityAtOne: {
    label: 'regions found at 1 false positive per image',
    terminal: 'found at 1 false/image',
    of: ({ rates }) => rates.find(({ falsePositivesPerImage }) => falsePositivesPerImage === 1)?.sensitivity,
    isBare: true,
    only: 'terminal',
  },
  meanSensitivity: {
    label: 'lesion sensitivity',
    terminal: 'FROC score',
    of: (scores) => scores.meanSensitivity,
  },
});

const meanOf =
  (key: 'iou' | 'averagePrecision' | 'auprc11' | 'perImageDice' | 'perImageIou') => (evaluation: Evaluation) =>
    evaluation.intervals.segmentation?.mean?.[key].estimate ?? null;

/** Means over the lesions that were scored; all but Dice come with the intervals. */
export const MEAN_FIGURES = catalogue<Evaluation>()({
  dice: { label: 'mean Dice of lesions', terminal: 'Dice', note: 'threshold 0.5', of: meanLesionDice },
  iou: { label: 'mean IoU of lesions', terminal: 'IoU', of: meanOf('iou'), only: 'terminal' },
  perImageDice: { label: 'mean Dice per image of lesions', of: meanOf('perImageDice'), only: 'page' },
  averagePrecision: { label: 'mean AUPR of lesions, exact', terminal: 'AUPR exact', of: meanOf('averagePrecision') },
  auprc11: { label: 'mean AUPR of lesions, 11 thresholds', of: meanOf('auprc11'), only: 'page' },
});

/** Figures of the gate. */
export const GATE_FIGURES = catalogue<GateReport>()({
  accuracy: { label: 'accuracy', of: (report) => report.accuracy },
  attainable: {
    label: 'best accuracy from lesions alone',
    terminal: 'at best from lesions alone',
    note: 'of a gate that knows whether an eye has lesions, and hard exudates among them, and nothing else; more is luck where both parts come from one camera and clinic',
    of: (report) => report.attainable,
    isBare: true,
  },
  expectedCalibrationError: {
    label: 'calibration error',
    of: (report) => report.expectedCalibrationError,
    better: 'low',
  },
  meanEntropy: {
    label: 'mean entropy, nats',
    terminal: 'mean entropy',
    note: '0 is certain, 0.693 undecided',
    of: (report) => report.meanEntropy,
    better: 'low',
    range: [0, Math.LN2],
  },
});

/** Figures of referrals; their intervals are Wilson's, in the report itself. */
export const REFERRAL_FIGURES = catalogue<ReferralReport>()({
  sensitivity: {
    label: 'sensitivity of referrals',
    terminal: 'sensitivity',
    note: 'share of the referable pictures that are referred',
    of: ({ sensitivity }) => sensitivity.value,
  },
  specificity: {
    label: 'specificity of referrals',
    terminal: 'specificity',
    note: 'share of the others that are not referred',
    of: ({ specificity }) => specificity.value,
  },
  positivePredictiveValue: {
    label: 'positive predictive value of referrals',
    terminal: 'positive predictive value',
    note: 'share of the referred pictures that are referable: it depends on how many eyes of the set are ill',
    of: ({ positivePredictiveValue }) => positivePredictiveValue.value,
  },
  negativePredictiveValue: {
    label: 'negative predictive value of referrals',
    terminal: 'negative predictive value',
    note: 'share of those not referred that need no referral',
    of: ({ negativePredictiveValue }) => negativePredictiveValue.value,
  },
  aurc: {
    label: 'area under risk and coverage of referrals',
    note: 'mean share of wrong decisions among the surest',
    of: ({ aurc }) => aurc,
    better: 'low',
    only: 'page',
  },
});

type Ends = { readonly low: number; readonly high: number };

/** A value with the ends of its interval, where there is one. */
export function figure(value: number | null | undefined, interval?: Ends | null): Figure {
  return { value: value ?? null, ...(interval && { low: interval.low, high: interval.high }) };
}

/** The intervals of a report by key. */
type IntervalsByKey<Key extends string> = { readonly [Name in Key]?: Ends } | null | undefined;

/** One figure with its text; `text` overrides parts of it. */
export function named<Report, Key extends string>(
  entry: FigureEntry<Report, Key>,
  report: Report,
  intervals?: IntervalsByKey<Key>,
  text: Partial<FigureText> = {},
): NamedFigure {
  const { key, label, note, range, better, of } = entry;
  return {
    key,
    label: capitalized(label),
    ...(note !== undefined && { note }),
    ...(range && { range }),
    ...(better && { better }),
    ...text,
    figure: figure(of(report), intervals?.[key]),
  };
}

/** The figures of a catalogue that a place shows. */
export function entriesOf<Report, Key extends string>(
  entries: Catalogue<Report, Key>,
  place: 'page' | 'terminal',
): FigureEntry<Report, Key>[] {
  return Object.values<FigureEntry<Report, Key>>(entries).filter(({ only = place }) => only === place);
}

/** The figures that the page shows of a report, without those that the report lacks. */
export function figuresOf<Report, Key extends string>(
  entries: Catalogue<Report, Key>,
  report: Report,
  intervals: IntervalsByKey<Key>,
): NamedFigure[] {
  return entriesOf(entries, 'page')
    .filter(({ of }) => of(report) !== undefined)
    .map((entry) => named(entry, report, intervals));
}

/** A label with a capital first letter, for the head of a row. */
export const capitalized = (label: string): string => label[0].toUpperCase() + label.slice(1);
