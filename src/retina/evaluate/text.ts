/** Evaluations and calibrations as text for the terminal. */
import { GRADED_TASKS, GRADINGS, LESIONS } from '../domain.ts';
import type { Interval } from '../metrics/bootstrap.ts';
import type { ConfusionMatrix } from '../metrics/confusion.ts';
import { type Evaluation, meanDice } from '../metrics/evaluation.ts';
import {
  DETECTION_FIGURES,
  entriesOf,
  type FigureEntry,
  GATE_FIGURES,
  GRADE_FIGURES,
  GRADING_FIGURES,
  MEAN_FIGURES,
  REFERRAL_FIGURES,
  STRUCTURE_FIGURES,
} from '../metrics/figures.ts';
import { type GradingReport, SCREENING_BAR } from '../metrics/grading.ts';
import type { GradingIntervals } from '../metrics/gradingIntervals.ts';
import type { Misroute } from '../metrics/gate.ts';
import { doubtsText, type ReferralReport, ruleText } from '../metrics/referral.ts';
import { type Column, formatTable } from '../report/table.ts';
import { type Calibration, calibrationRows } from '../run/calibrationFormat.ts';
import { RUN_FILES } from '../run/fileNames.ts';

const figure = (value: number | null | undefined): string =>
  value === null || value === undefined || !Number.isFinite(value) ? 'n/a' : value.toFixed(3);

/** `0.712 [0.650, 0.771]`; without an interval the figure alone. */
export function figureText(value: number | null | undefined, interval?: Pick<Interval, 'low' | 'high'> | null): string {
  const bounded = interval && Number.isFinite(interval.low) && Number.isFinite(interval.high);
  return bounded ? `${figure(value)} [${figure(interval.low)}, ${figure(interval.high)}]` : figure(value);
}

const columnsOf = (first: string, others: readonly string[]): Column[] => [
  { header: first },
  ...others.map((header) => ({ header, align: 'right' as const })),
];

/** A figure of a catalogue with its interval, unless the terminal leaves that out. */
const entryText = <Report, Key extends string>(
  entry: FigureEntry<Report, Key>,
  report: Report,
  intervals?: { readonly [Name in Key]?: Interval } | null,
): string => figureText(entry.of(report), entry.isBare ? null : intervals?.[entry.key]);

const terminalLabel = ({ terminal, label }: { readonly terminal?: string; readonly label: string }): string =>
  terminal ?? label;

const MASKS = entriesOf(STRUCTURE_FIGURES, 'terminal');
const MEANS = entriesOf(MEAN_FIGURES, 'terminal');
const DETECTIONS = entriesOf(DETECTION_FIGURES, 'terminal');
const GRADING = entriesOf(GRADING_FIGURES, 'terminal');
const GRADES = entriesOf(GRADE_FIGURES, 'terminal');
const GATE = entriesOf(GATE_FIGURES, 'terminal');
const REFERRALS = entriesOf(REFERRAL_FIGURES, 'terminal');

const confusionText = ({ classes, counts }: ConfusionMatrix): string =>
  Array.from({ length: classes }, (_, row) =>
    Array.from(counts.slice(row * classes, (row + 1) * classes)).join(' '),
  ).join(' | ');

function masksText(evaluation: Evaluation): string[] {
  const { segmentation, intervals } = evaluation;
  if (!segmentation) return [];
  const rows = Object.entries(segmentation).map(([structure, scores]) => [
    structure,
    ...MASKS.map((entry) => entryText(entry, scores, intervals.segmentation?.lesions[structure])),
    figure(scores.threshold),
  ]);
  const mean = intervals.segmentation?.mean;
  const [dice, ...others] = MEANS.map((entry) => [terminalLabel(entry), entryText(entry, evaluation, mean)] as const);
  const empty = Object.entries(segmentation).filter(([, { perImage }]) => perImage.emptyImages > 0);
  return [
    formatTable(columnsOf('masks', [...MASKS.map(terminalLabel), 'threshold']), rows),
    [
      `mean lesion ${dice[0]} (${(mean?.lesions ?? LESIONS).join(', ')}) ${dice[1]}, ${others.map((one) => one.join(' ')).join(', ')}; mean Dice of all structures ${figure(meanDice(evaluation))}`,
      'Dice, IoU and AUPR are aggregated over all pixels of all images; Dice/image is the mean over the images that are not empty in truth and prediction both.',
      ...(empty.length > 0
        ? [
            `images empty in both: ${empty.map(([structure, { perImage }]) => `${structure} ${perImage.emptyImages}`).join(', ')}`,
          ]
        : []),
    ].join('\n'),
  ];
}

function detectionsText({ detections, intervals }: Evaluation): string[] {
  if (!detections) return [];
  const rows = Object.entries(detections).map(([structure, scores]) => [
    structure,
    String(scores.lesions),
    ...DETECTIONS.map((entry) => entryText(entry, scores, intervals.detections?.[structure])),
  ]);
  return [formatTable(columnsOf('lesion level', ['regions', ...DETECTIONS.map(terminalLabel)]), rows)];
}

function operatingText(report: GradingReport, own: GradingIntervals | null): string[] {
  return (['any', 'referable'] as const).flatMap((name, index) => {
    if (!report.screening[name]) return [];
    const sensitivity = entryText(GRADING_FIGURES[`${name}SensitivityAtSpecificity90`], report, own);
    const specificity = entryText(GRADING_FIGURES[`${name}SpecificityAtSensitivity90`], report, own);
    return [
      `  grade >= ${index + 1}: sensitivity ${sensitivity} at specificity >= ${SCREENING_BAR}; specificity ${specificity} at sensitivity >= ${SCREENING_BAR}`,
    ];
  });
}

/** Names the grades that no image has: figures of them are n/a, and macro figures leave them out. */
function absentText({ classes }: GradingReport): string[] {
  const absent = classes.flatMap(({ support }, grade) => (support === 0 ? [grade] : []));
  return absent.length === 0
    ? []
    : [
        `  no image has grade ${absent.join(', ')}: left out of macro recall, and of the others where it is never predicted either`,
      ];
}

function gradesText(evaluation: Evaluation): string[] {
  const tasks = GRADED_TASKS.flatMap((task) => {
    const report = evaluation[task];
    return report ? [{ name: GRADINGS[task].name, report, own: evaluation.intervals[task] }] : [];
  });
  if (tasks.length === 0) return [];
  const blocks = [
    formatTable(
      columnsOf(
        'grades',
        tasks.map(({ name, report }) => `${name} (${report.cases})`),
      ),
      GRADING.map((entry) => [terminalLabel(entry), ...tasks.map(({ report, own }) => entryText(entry, report, own))]),
    ),
  ];
  for (const { name, report, own } of tasks) {
    const classes = report.classes.map((scores, grade) => [
      String(grade),
      String(scores.support),
      ...GRADES.map((entry) => entryText(entry, scores, own?.classes[grade])),
    ]);
    blocks.push(
      [
        formatTable(columnsOf(name, ['images', ...GRADES.map(terminalLabel)]), classes),
        ...absentText(report),
        ...operatingText(report, own),
        `  confusion (rows: truth) ${confusionText(report.confusion)}`,
      ].join('\n'),
    );
  }
  if (evaluation.joint !== null) {
    const decided = evaluation.gradeDecision === 'median' ? "; a grade is its probabilities' median" : '';
    blocks.push(`both grades right: ${figureText(evaluation.joint, evaluation.intervals.joint)}${decided}`);
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
  const figures = GATE.filter(({ of }) => of(gate) !== undefined).map(
    (entry) => `${terminalLabel(entry)} ${entryText(entry, gate, intervals.gate)}`,
  );
  return `gate ${figures.join(', ')} nats, misrouted ${gate.misroutes.length}\n  ${routed}`;
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

/** The figures that thresholds and temperatures change: those of masks, lesions and calibration. Grades and routes stay as they are. */
export function calibratedText(evaluation: Evaluation, title: string, { hasGate = true }: TextOptions = {}): string {
  const { gate, intervals, losses } = evaluation;
  const { expectedCalibrationError, brier } = GRADING_FIGURES;
  const rows = GRADED_TASKS.flatMap((task) => {
    const report = evaluation[task];
    if (!report) return [];
    const cells = [expectedCalibrationError, brier].map((entry) => entryText(entry, report, intervals[task]));
    return [[GRADINGS[task].name, ...cells, figure(losses[task])]];
  });
  if (hasGate) {
    const error = entryText(GATE_FIGURES.expectedCalibrationError, gate, intervals.gate);
    rows.push(['gate', error, figure(undefined), figure(losses.gate)]);
  }
  const blocks = [
    `${title} (${evaluation.images} images)`,
    ...masksText(evaluation),
    ...detectionsText(evaluation),
    ...(rows.length > 0
      ? [
          formatTable(
            columnsOf('probabilities', [...[expectedCalibrationError, brier].map(terminalLabel), 'cross-entropy']),
            rows,
          ),
        ]
      : []),
  ];
  return `${blocks.join('\n\n')}\n`;
}

/** The decisions of an operating point as text; intervals are Wilson's. */
export function referralsText(report: ReferralReport): string {
  const { rule, threshold, pictures, referable, referred, sensitivity, specificity, unsure, sure, aurc } = report;
  const figures = REFERRALS.map((entry) => {
    const own = report[entry.key];
    return `${terminalLabel(entry)} ${figureText(entry.of(report), typeof own === 'number' ? null : own)}`;
  });
  const [missed, wrongly] = [sensitivity.of - sensitivity.count, specificity.of - specificity.count];
  return [
    `REFERRALS (${ruleText(rule)}; from a score of ${figure(threshold)}, chosen on validation images): ${referred} of ${pictures} images referred, ${referable} are referable`,
    `  ${figures.join(', ')}`,
    `  ${missed} missed, ${wrongly} referred for nothing`,
    `  not sure of ${unsure}${doubtsText(report)}; of the other ${pictures - unsure}: sensitivity ${figureText(sure.sensitivity.value, sure.sensitivity)}, specificity ${figureText(sure.specificity.value, sure.specificity)}; AURC ${figure(aurc)}\n`,
  ].join('\n');
}

/** Temperatures and thresholds as text, with what they were fitted on. */
export function calibrationText(calibration: Calibration): string {
  const { segmentation, classification } = calibration.fittedOn;
  const images = `${segmentation} with masks, ${classification} graded`;
  const columns: Column[] = [
    { header: `Calibration, fitted on the validation split (${images})` },
    { header: 'value' },
    { header: 'on those images' },
  ];
  return `${formatTable(columns, calibrationRows(calibration))}\n`;
}

/** How many misrouted images a terminal names. */
const MOST_MISROUTES = 5;

/**
 * The images that the gate sent to the wrong expert, the most confident mistakes first, in a few lines.
 *
 * @param report the folder whose misroutes.csv has them all; undefined: none is written.
 */
export function misroutesText(misroutes: readonly Misroute[], report: string | undefined): string[] {
  const named = misroutes
    .slice(0, MOST_MISROUTES)
    .map(
      ({ id, truth, routed, probability }) =>
        `misrouted  ${id}: ${truth} image sent to ${routed} (p = ${probability.toFixed(3)})`,
    );
  const left = misroutes.length - named.length;
  if (left === 0) return named;
  const where =
    report === undefined ? '--report DIR or --json FILE has them all' : `${report}/${RUN_FILES.misroutes} has them all`;
  return [...named, `misrouted  and ${left} more, less confidently: ${where}`];
}
