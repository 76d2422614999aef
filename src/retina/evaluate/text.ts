import type { ConfusionMatrix } from '../metrics/confusion.ts';
import type { Interval } from '../metrics/bootstrap.ts';
import { type ScreeningPoints, SCREENING_BAR, type GradingReport } from '../metrics/grading.ts';
import type { GradingIntervals } from '../metrics/gradingIntervals.ts';
import { type Cell, type Column, formatTable } from '../report/table.ts';
import type { Calibration } from './calibration.ts';
import { type Evaluation, meanDice, meanLesionDice } from './evaluate.ts';

const figure = (value: number | null | undefined): string =>
  value === null || value === undefined || !Number.isFinite(value) ? 'n/a' : value.toFixed(3);

/** `0.712 [0.650, 0.771]`; without an interval the figure alone. */
export function figureText(value: number | null | undefined, interval?: Interval | null): string {
  const bounded = interval && Number.isFinite(interval.low) && Number.isFinite(interval.high);
  return bounded ? `${figure(value)} [${figure(interval.low)}, ${figure(interval.high)}]` : figure(value);
}

const columnsOf = (first: string, others: readonly string[]): Column[] => [
  { header: first },
  ...others.map((header) => ({ header, align: 'right' as const })),
];

const confusionText = ({ classes, counts }: ConfusionMatrix): string =>
  Array.from({ length: classes }, (_, row) =>
    Array.from(counts.slice(row * classes, (row + 1) * classes)).join(' '),
  ).join(' | ');

function masksText(evaluation: Evaluation): string[] {
  const { segmentation, intervals } = evaluation;
  if (!segmentation) return [];
  const own = intervals.segmentation?.lesions;
  const rows = Object.entries(segmentation).map(([lesion, scores]) => [
    lesion,
    figureText(scores.dice, own?.[lesion]?.dice),
    figureText(scores.iou, own?.[lesion]?.iou),
    figureText(scores.perImage.dice, own?.[lesion]?.perImageDice),
    figureText(scores.averagePrecision, own?.[lesion]?.averagePrecision),
    figure(scores.auprc11),
    figure(scores.sensitivity),
    figure(scores.ppv),
    figure(scores.threshold),
  ]);
  const mean = intervals.segmentation?.mean;
  const empty = Object.entries(segmentation).filter(([, { perImage }]) => perImage.emptyImages > 0);
  return [
    formatTable(
      columnsOf('masks', ['Dice', 'IoU', 'Dice/image', 'AUPR exact', 'AUPR 11', 'sensitivity', 'PPV', 'threshold']),
      rows,
    ),
    [
      `mean lesion Dice (${mean?.lesions.join(', ') ?? 'MA, HE, EX, SE'}) ${figureText(meanLesionDice(evaluation), mean?.dice)}, IoU ${figureText(mean?.iou.estimate, mean?.iou)}, AUPR exact ${figureText(mean?.averagePrecision.estimate, mean?.averagePrecision)}; mean Dice of all structures ${figure(meanDice(evaluation))}`,
      'Dice, IoU and AUPR are aggregated over all pixels of all images; Dice/image is the mean over the images that are not empty in truth and prediction both.',
      ...(empty.length > 0
        ? [
            `empty in both: ${empty.map(([lesion, { perImage }]) => `${lesion} ${perImage.emptyImages}`).join(', ')} images`,
          ]
        : []),
    ].join('\n'),
  ];
}

function detectionsText({ detections, intervals }: Evaluation): string[] {
  if (!detections) return [];
  const rows = Object.entries(detections).map(([lesion, { operating, lesions, meanSensitivity, rates }]) => [
    lesion,
    String(lesions),
    figureText(operating.sensitivity, intervals.detections?.[lesion]?.sensitivity),
    figureText(operating.falsePositivesPerImage, intervals.detections?.[lesion]?.falsePositivesPerImage),
    figure(rates.find(({ falsePositivesPerImage }) => falsePositivesPerImage === 1)?.sensitivity),
    figureText(meanSensitivity, intervals.detections?.[lesion]?.meanSensitivity),
  ]);
  return [
    formatTable(
      columnsOf('lesion level', ['regions', 'found', 'false/image', 'found at 1 false/image', 'FROC score']),
      rows,
    ),
  ];
}

function operatingText(name: string, points: ScreeningPoints | null, own: GradingIntervals | null): string[] {
  if (!points) return [];
  const key = name === 'any' ? 'any' : 'referable';
  return [
    `  grade >= ${key === 'any' ? 1 : 2}: sensitivity ${figureText(points.sensitivityAtSpecificity90.sensitivity, own?.[`${key}SensitivityAtSpecificity90`])} at specificity >= ${SCREENING_BAR}; ` +
      `specificity ${figureText(points.specificityAtSensitivity90.specificity, own?.[`${key}SpecificityAtSensitivity90`])} at sensitivity >= ${SCREENING_BAR}`,
  ];
}

function gradesText(evaluation: Evaluation): string[] {
  const { retinopathy, edema, intervals } = evaluation;
  const tasks: (readonly [string, GradingReport, GradingIntervals | null])[] = [
    ...(retinopathy ? [['retinopathy', retinopathy, intervals.retinopathy] as const] : []),
    ...(edema ? [['macular edema', edema, intervals.edema] as const] : []),
  ];
  if (tasks.length === 0) return [];
  const row = (
    label: string,
    value: (report: GradingReport) => number,
    interval: (own: GradingIntervals) => Interval,
  ): Cell[] => [label, ...tasks.map(([, report, own]) => figureText(value(report), own && interval(own)))];
  const rows = [
    row(
      'accuracy',
      (r) => r.accuracy,
      (i) => i.accuracy,
    ),
    row(
      'balanced accuracy',
      (r) => r.balancedAccuracy,
      (i) => i.balancedAccuracy,
    ),
    row(
      'macro precision',
      (r) => r.macro.precision,
      (i) => i.macroPrecision,
    ),
    row(
      'macro recall',
      (r) => r.macro.recall,
      (i) => i.macroRecall,
    ),
    row(
      'macro F1',
      (r) => r.macro.f1,
      (i) => i.macroF1,
    ),
    row(
      'quadratic weighted kappa',
      (r) => r.quadraticWeightedKappa,
      (i) => i.quadraticWeightedKappa,
    ),
    row(
      'AUROC one against rest',
      (r) => r.macroAuroc,
      (i) => i.macroAuroc,
    ),
    row(
      'AUROC grade >= 1',
      (r) => r.anyAuroc,
      (i) => i.anyAuroc,
    ),
    row(
      'AUROC grade >= 2 (referable)',
      (r) => r.referableAuroc,
      (i) => i.referableAuroc,
    ),
    row(
      'calibration error (ECE)',
      (r) => r.expectedCalibrationError,
      (i) => i.expectedCalibrationError,
    ),
    row(
      'Brier score',
      (r) => r.brier,
      (i) => i.brier,
    ),
  ];
  const blocks = [
    formatTable(
      columnsOf(
        'grades',
        tasks.map(([name, report]) => `${name} (${report.cases})`),
      ),
      rows,
    ),
  ];
  for (const [name, report, own] of tasks) {
    const classes = report.classes.map((one, grade) => [
      String(grade),
      String(one.support),
      figureText(one.sensitivity, own?.classes[grade].sensitivity),
      figureText(one.specificity, own?.classes[grade].specificity),
      figure(one.precision),
      figure(one.f1),
      figureText(one.auroc, own?.classes[grade].auroc),
    ]);
    blocks.push(
      [
        formatTable(columnsOf(name, ['images', 'sensitivity', 'specificity', 'precision', 'F1', 'AUROC']), classes),
        ...operatingText('any', report.screening.any, own),
        ...operatingText('referable', report.screening.referable, own),
        `  confusion (rows: truth) ${confusionText(report.confusion)}`,
      ].join('\n'),
    );
  }
  if (evaluation.joint !== null) {
    const decided = evaluation.gradeDecision === 'median' ? "; a grade is its probabilities' median" : '';
    blocks.push(`both grades right: ${figureText(evaluation.joint, intervals.joint)}${decided}`);
  }
  return blocks;
}

function gateText({ gate, intervals }: Evaluation): string {
  const routed = gate.routes
    .map(
      ({ name, routed: count, truth, accuracy }) =>
        `${name} ${count} sent, ${truth} belong, accuracy ${figure(accuracy)}`,
    )
    .join('; ');
  const own = intervals.gate;
  return `gate accuracy ${figureText(gate.accuracy, own?.accuracy)}, calibration error ${figureText(gate.expectedCalibrationError, own?.expectedCalibrationError)}, mean entropy ${figureText(gate.meanEntropy, own?.meanEntropy)} nats, misrouted ${gate.misroutes.length}\n  ${routed}`;
}

export interface TextOptions {
  /** False for a network without a trained gate: there is nothing to route. Default true. */
  readonly hasGate?: boolean;
}

/** An evaluation as text for the terminal; intervals are 95 % bootstraps over images. */
export function evaluationText(evaluation: Evaluation, title: string, { hasGate = true }: TextOptions = {}): string {
  const blocks = [
    `${title} (${evaluation.images} images)`,
    ...masksText(evaluation),
    ...detectionsText(evaluation),
    ...gradesText(evaluation),
    ...(hasGate ? [gateText(evaluation)] : []),
  ];
  return `${blocks.join('\n\n')}\n`;
}

/** What thresholds and temperatures change: masks, lesions, and how far probabilities can be believed. No grade and no route changes. */
export function calibratedText(evaluation: Evaluation, title: string, { hasGate = true }: TextOptions = {}): string {
  const { retinopathy, edema, gate, intervals, losses } = evaluation;
  const row = (
    name: string,
    report: { readonly expectedCalibrationError: number; readonly brier?: number } | null,
    own: { readonly expectedCalibrationError: Interval; readonly brier?: Interval } | null,
    loss: number,
  ): string[][] =>
    report
      ? [
          [
            name,
            figureText(report.expectedCalibrationError, own?.expectedCalibrationError),
            figureText(report.brier, own?.brier),
            figure(loss),
          ],
        ]
      : [];
  const rows = [
    ...row('retinopathy', retinopathy, intervals.retinopathy, losses.retinopathy),
    ...row('macular edema', edema, intervals.edema, losses.edema),
    ...(hasGate ? row('gate', gate, intervals.gate, losses.gate) : []),
  ];
  const blocks = [
    `${title} (${evaluation.images} images)`,
    ...masksText(evaluation),
    ...detectionsText(evaluation),
    ...(rows.length > 0
      ? [formatTable(columnsOf('probabilities', ['calibration error (ECE)', 'Brier score', 'cross-entropy']), rows)]
      : []),
  ];
  return `${blocks.join('\n\n')}\n`;
}

/** Temperatures and thresholds as text, with what they were fitted on. */
export function calibrationText({ fittedOn, temperatures, thresholds }: Calibration): string {
  const heads = Object.entries(temperatures).map(([head, fitted]) =>
    fitted
      ? [
          `temperature of ${head}`,
          figure(fitted.temperature) + (fitted.isAtBound ? ' (at its limit)' : ''),
          `ECE ${figure(fitted.before.expectedCalibrationError)} -> ${figure(fitted.after.expectedCalibrationError)}`,
        ]
      : [`temperature of ${head}`, 'n/a', 'no such validation cases: left at 1'],
  );
  const masks = Object.entries(thresholds).map(([lesion, fitted]) => [
    `threshold of ${lesion}`,
    figure(fitted.threshold),
    fitted.reason === 'fitted'
      ? `Dice ${figure(fitted.diceAtHalf)} -> ${figure(fitted.dice)}`
      : 'absent from the validation images: left at 0.5',
  ]);
  const images = `${fittedOn.segmentation} images with masks, ${fittedOn.classification} graded`;
  return `${formatTable([{ header: `Calibration, fitted on the validation split (${images})` }, { header: 'value', align: 'right' }, { header: 'on those images' }], [...heads, ...masks])}\n`;
}
