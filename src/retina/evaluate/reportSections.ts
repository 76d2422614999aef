/** Turns evaluations into the report's sections. */
import { GRADED_TASKS, type GradedTask, GRADINGS, STRUCTURES, TASKS } from '../domain.ts';
import { type Evaluation, meanDice } from '../metrics/evaluation.ts';
import {
  capitalized,
  DETECTION_FIGURES,
  figure,
  figuresOf,
  GATE_FIGURES,
  GRADE_FIGURES,
  GRADING_FIGURES,
  MEAN_FIGURES,
  type NamedFigure,
  named,
  STRUCTURE_FIGURES,
} from '../metrics/figures.ts';
import type { FrocPoint } from '../metrics/froc.ts';
import { type GradedCase, type GradingReport, stackCases } from '../metrics/grading.ts';
import { gradeScores, rocCurve } from '../metrics/ranking.ts';
import type {
  Curve,
  FigureGroup,
  GateData,
  GradingData,
  Reliability,
  SegmentationData,
  StructureData,
} from '../report/html/data.ts';
import { RUN_FILES } from '../run/fileNames.ts';
import type { Collected } from './collect.ts';

/** Plain and calibrated results of the same images. */
export interface BothSettings {
  readonly plain: Evaluation;
  readonly calibrated: Evaluation | null;
  readonly collected: Collected;
}

/** The figures at the head of the page. */
export function headlineOf({ plain, calibrated }: BothSettings): NamedFigure[] {
  const { intervals, retinopathy, edema, segmentation, joint } = plain;
  const figures: NamedFigure[] = [];
  if (segmentation) {
    const mean = intervals.segmentation?.mean;
    const label = 'Mean lesion Dice';
    const note = mean ? `${mean.lesions.join(', ')}; threshold 0.5` : 'threshold 0.5';
    figures.push(named(MEAN_FIGURES.dice, plain, mean, { label, note }));
    if (calibrated?.segmentation) {
      figures.push(
        named(MEAN_FIGURES.dice, calibrated, calibrated.intervals.segmentation?.mean, {
          label: `${label}, calibrated`,
          note: 'thresholds fitted on validation images',
        }),
      );
    }
    figures.push(
      named(MEAN_FIGURES.averagePrecision, plain, mean, { label: 'Mean lesion AUPR', note: 'exact average precision' }),
    );
  }
  if (retinopathy) {
    const { quadraticWeightedKappa: kappa, referableAuroc } = GRADING_FIGURES;
    figures.push(
      named(kappa, retinopathy, intervals.retinopathy, { label: 'Retinopathy QWK', note: kappa.label }),
      named(referableAuroc, retinopathy, intervals.retinopathy, { label: 'Referable AUROC' }),
    );
  }
  // The joint accuracy covers the edema grades; they get a figure of their own only where it is absent.
  if (edema && joint === null) {
    figures.push(named(GRADING_FIGURES.accuracy, edema, intervals.edema, { label: 'Edema accuracy' }));
  }
  if (joint !== null) {
    figures.push({ label: 'Both grades right', figure: figure(joint, intervals.joint), note: 'joint accuracy' });
  }
  return figures;
}

/** Plain and calibrated figures, side by side. */
export function summaryOf({ plain, calibrated }: BothSettings, hasGate: boolean): FigureGroup[] {
  const group = (title: string, evaluation: Evaluation): FigureGroup => {
    const { intervals, segmentation, gate } = evaluation;
    const mean = intervals.segmentation?.mean;
    const { accuracy, expectedCalibrationError, brier } = GRADING_FIGURES;
    return {
      title,
      figures: [
        ...(segmentation
          ? [
              ...[MEAN_FIGURES.dice, MEAN_FIGURES.iou].map((entry) =>
                named(entry, evaluation, mean, { note: undefined }),
              ),
              { label: 'Mean Dice with the optic disc', figure: figure(meanDice(evaluation)) },
            ]
          : []),
        ...GRADED_TASKS.flatMap((task) => {
          const report = evaluation[task];
          if (!report) return [];
          return [accuracy, expectedCalibrationError, brier].map((entry) =>
            named(entry, report, intervals[task], { label: `${capitalized(task)}: ${entry.label}` }),
          );
        }),
        ...(hasGate
          ? [GATE_FIGURES.accuracy, GATE_FIGURES.expectedCalibrationError].map((entry) =>
              named(entry, gate, intervals.gate, { label: `Gate: ${entry.label}` }),
            )
          : []),
      ],
    };
  };
  return [
    group('Plain: thresholds 0.5, temperatures 1', plain),
    ...(calibrated ? [group('Calibrated: fitted on validation images', calibrated)] : []),
  ];
}

const sparse = <Value>(values: readonly Value[], most: number): Value[] => {
  const step = Math.max(1, Math.ceil(values.length / most));
  return values.filter((_, index) => index % step === 0 || index === values.length - 1);
};

function rocOf(cases: readonly GradedCase[], report: GradingReport): Curve[] {
  const classes = report.classes.length;
  const { truth, probabilities } = stackCases(cases, classes);
  const questions = [
    ['any (grade 1 and above)', 1, report.anyAuroc],
    ['referable (grade 2 and above)', 2, report.referableAuroc],
  ] as const;
  return questions.flatMap(([name, grade, area]): Curve[] => {
    const { positives, scores } = gradeScores(truth, probabilities, classes, grade);
    if (Number.isNaN(area)) return [];
    const points = rocCurve(positives, scores).map(({ sensitivity, specificity }): [number, number] => [
      1 - specificity,
      sensitivity,
    ]);
    return [{ name, points: sparse(points, 300), note: `AUROC ${area.toFixed(3)}` }];
  });
}

/** The reliability of the plain and of the calibrated probabilities. */
function reliabilityOf({ plain, calibrated }: BothSettings, part: 'gate' | GradedTask): Reliability[] {
  const one = (title: string, evaluation: Evaluation | null): Reliability[] => {
    const report = evaluation?.[part];
    if (!report) return [];
    const ece = figure(report.expectedCalibrationError, evaluation.intervals[part]?.expectedCalibrationError);
    return [{ title, bins: report.reliability, ece }];
  };
  return [...one('Plain (temperature 1)', plain), ...one('Calibrated', calibrated)];
}

/** The grading tasks that were scored. */
export function gradingOf(both: BothSettings): GradingData[] {
  const { plain, collected } = both;
  return GRADED_TASKS.flatMap((task): GradingData[] => {
    const report = plain[task];
    if (!report) return [];
    const own = plain.intervals[task];
    const { title, note, shortGrades } = GRADINGS[task];
    return [
      {
        name: title,
        cases: report.cases,
        note,
        classNames: shortGrades,
        confusion: report.confusion.counts,
        figures: figuresOf(GRADING_FIGURES, report, own),
        classes: report.classes.map((scores, grade) => ({
          name: shortGrades[grade],
          support: scores.support,
          figures: figuresOf(
            GRADE_FIGURES,
            { ...scores, sensitivity: scores.support > 0 ? scores.sensitivity : Number.NaN },
            own?.classes[grade],
          ),
        })),
        reliability: reliabilityOf(both, task),
        roc: rocOf(collected[task], report),
      },
    ];
  });
}

/**
 * The FROC curve for a plot: the best sensitivity at or below each rate, from which the FROC score is read. Drawn by threshold, the curve
 * would turn back where low thresholds merge detections into false ones.
 */
function bestSensitivities(curve: readonly FrocPoint[]): [number, number][] {
  const sorted = [...curve].sort((left, right) => left.falsePositivesPerImage - right.falsePositivesPerImage);
  let best = 0;
  return sorted.map(({ falsePositivesPerImage, sensitivity }) => {
    best = Math.max(best, sensitivity);
    return [falsePositivesPerImage, best];
  });
}

/** The structures' masks at the threshold 0.5, with the calibrated Dice among the figures. */
export function segmentationOf({ plain, calibrated }: BothSettings, note: string): SegmentationData | undefined {
  const { segmentation, detections, precisionRecall, intervals } = plain;
  if (!segmentation) return undefined;
  const structures = STRUCTURES.filter((structure) => segmentation[structure]).map((structure): StructureData => {
    const scores = segmentation[structure];
    const found = detections?.[structure];
    return {
      structure,
      figures: [
        ...figuresOf(STRUCTURE_FIGURES, scores, intervals.segmentation?.lesions[structure]),
        ...(found ? figuresOf(DETECTION_FIGURES, found, intervals.detections?.[structure]) : []),
      ],
      images: scores.perImage.images,
      emptyImages: scores.perImage.emptyImages,
      threshold: scores.threshold,
      ...(found && { froc: bestSensitivities(found.curve) }),
      ...(precisionRecall && {
        precisionRecall: precisionRecall[structure].map((point): [number, number] => [point.recall, point.precision]),
      }),
    };
  });
  const mean = intervals.segmentation?.mean;
  const fitted = calibrated?.segmentation;
  const figures: NamedFigure[] = [
    ...figuresOf(MEAN_FIGURES, plain, mean),
    ...(fitted
      ? STRUCTURES.filter((structure) => fitted[structure]).map((structure) =>
          named(STRUCTURE_FIGURES.dice, fitted[structure], calibrated.intervals.segmentation?.lesions[structure], {
            label: `${structure}: Dice, calibrated`,
            note: `threshold ${fitted[structure].threshold.toFixed(4)}, fitted on validation images`,
          }),
        )
      : []),
  ];
  return { structures, figures, note };
}

/** The gate, with its misrouted images. */
export function gateOf(both: BothSettings): GateData {
  const { gate, intervals } = both.plain;
  const [accuracy, ...others] = figuresOf(GATE_FIGURES, gate, intervals.gate);
  const byRoute = TASKS.map((task, index) => ({
    label: `Accuracy on ${task} images`,
    figure: figure(gate.routes[index].accuracy, intervals.gate?.routes[index].accuracy),
  }));
  return {
    cases: gate.cases,
    figures: [accuracy, ...byRoute, ...others],
    routes: gate.routes.map(({ name, truth, routed, meanProbability }) => ({ name, truth, routed, meanProbability })),
    misroutes: gate.misroutes,
    misroutesFile: RUN_FILES.misroutes,
    reliability: reliabilityOf(both, 'gate'),
  };
}
