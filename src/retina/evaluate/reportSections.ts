/** Evaluations as the report's sections. */
import { STRUCTURES, TASKS } from '../domain.ts';
import type { FrocPoint } from '../metrics/froc.ts';
import { gradeScores, rocCurve } from '../metrics/ranking.ts';
import { type GradedCase, type GradingReport, SCREENING_BAR, stackCases } from '../metrics/grading.ts';
import type { GradingIntervals } from '../metrics/gradingIntervals.ts';
import type { Interval } from '../metrics/bootstrap.ts';
import type {
  Curve,
  Estimate,
  FigureGroup,
  GateData,
  GradingData,
  LesionData,
  NamedFigure,
  Reliability,
  SegmentationData,
} from '../report/html/data.ts';
import { type Evaluation, meanDice, meanLesionDice } from './evaluate.ts';
import type { Collected } from './collect.ts';

/** Plain and calibrated results of the same images. */
export interface BothSettings {
  readonly plain: Evaluation;
  readonly calibrated: Evaluation | null;
  readonly collected: Collected;
}

/** A figure with the ends of its interval, where there is one. */
export function estimate(value: number | null | undefined, interval?: Interval | null): Estimate {
  return { value: value ?? null, ...(interval && { low: interval.low, high: interval.high }) };
}

/** Grades for tables and charts, where `RETINOPATHY_NAMES` and `EDEMA_NAMES` would fill the page. */
const SHORT_NAMES = {
  retinopathy: ['0 none', '1 mild', '2 moderate', '3 severe', '4 proliferative'],
  edema: ['0 none', '1 distant', '2 central'],
} as const;

const GRADE_NOTES = {
  retinopathy: 'Grades 1 to 3 are non-proliferative retinopathy.',
  edema: 'Hard exudates: 0 none, 1 outside one disc diameter of the macula centre, 2 within it.',
} as const;

const KAPPA: readonly [number, number] = [-1, 1];

/** The figures at the head of the page. */
export function headlineOf({ plain, calibrated }: BothSettings): NamedFigure[] {
  const { intervals, retinopathy, edema, segmentation } = plain;
  const figures: NamedFigure[] = [];
  if (segmentation) {
    const mean = intervals.segmentation?.mean;
    const note = mean ? `${mean.lesions.join(', ')}; threshold 0.5` : 'threshold 0.5';
    figures.push({ label: 'Mean lesion Dice', figure: estimate(meanLesionDice(plain), mean?.dice), note });
    if (calibrated?.segmentation) {
      figures.push({
        label: 'Mean lesion Dice, calibrated',
        figure: estimate(meanLesionDice(calibrated), calibrated.intervals.segmentation?.mean?.dice),
        note: 'thresholds fitted on validation images',
      });
    }
    figures.push({
      label: 'Mean lesion AUPR',
      figure: estimate(mean?.averagePrecision.estimate, mean?.averagePrecision),
      note: 'exact average precision',
    });
  }
  if (retinopathy) {
    figures.push(
      {
        label: 'Retinopathy QWK',
        figure: estimate(retinopathy.quadraticWeightedKappa, intervals.retinopathy?.quadraticWeightedKappa),
        note: 'quadratic weighted kappa',
        range: KAPPA,
      },
      {
        label: 'Referable AUROC',
        figure: estimate(retinopathy.referableAuroc, intervals.retinopathy?.referableAuroc),
        note: 'grade 2 and above',
      },
    );
  }
  // The joint accuracy says what the edema grades add; alone they stand here only without the others.
  if (edema && plain.joint === null) {
    figures.push({ label: 'Edema accuracy', figure: estimate(edema.accuracy, intervals.edema?.accuracy) });
  }
  if (plain.joint !== null) {
    figures.push({
      label: 'Both grades right',
      figure: estimate(plain.joint, intervals.joint),
      note: 'joint accuracy',
    });
  }
  return figures;
}

/** Plain and calibrated figures, side by side. */
export function summaryOf({ plain, calibrated }: BothSettings, hasGate: boolean): FigureGroup[] {
  const group = (title: string, evaluation: Evaluation): FigureGroup => {
    const { intervals, retinopathy, edema, segmentation, gate } = evaluation;
    const figures: NamedFigure[] = [];
    const mean = intervals.segmentation?.mean;
    if (segmentation) {
      figures.push(
        { label: 'Mean Dice of lesions', figure: estimate(meanLesionDice(evaluation), mean?.dice) },
        { label: 'Mean IoU of lesions', figure: estimate(mean?.iou.estimate, mean?.iou) },
        { label: 'Mean Dice with the optic disc', figure: estimate(meanDice(evaluation)) },
      );
    }
    for (const [name, report, own] of [
      ['Retinopathy', retinopathy, intervals.retinopathy],
      ['Edema', edema, intervals.edema],
    ] as const) {
      if (!report) continue;
      figures.push(
        { label: `${name}: accuracy`, figure: estimate(report.accuracy, own?.accuracy) },
        {
          label: `${name}: calibration error`,
          figure: estimate(report.expectedCalibrationError, own?.expectedCalibrationError),
          better: 'low',
        },
        { label: `${name}: Brier score`, figure: estimate(report.brier, own?.brier), better: 'low', range: [0, 2] },
      );
    }
    if (hasGate) {
      figures.push(
        { label: 'Gate: accuracy', figure: estimate(gate.accuracy, intervals.gate?.accuracy) },
        {
          label: 'Gate: calibration error',
          figure: estimate(gate.expectedCalibrationError, intervals.gate?.expectedCalibrationError),
          better: 'low',
        },
      );
    }
    return { title, figures };
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

function gradingFigures(report: GradingReport, own: GradingIntervals | null): NamedFigure[] {
  const bar = SCREENING_BAR.toFixed(2);
  const screening = (['any', 'referable'] as const).flatMap((name): NamedFigure[] => {
    const points = report.screening[name];
    if (!points) return [];
    const grade = name === 'any' ? 1 : 2;
    return [
      {
        label: `Sensitivity for grade ${grade} and above`,
        figure: estimate(points.sensitivityAtSpecificity90.sensitivity, own?.[`${name}SensitivityAtSpecificity90`]),
        note: `at a specificity of at least ${bar}`,
      },
      {
        label: `Specificity for grade ${grade} and above`,
        figure: estimate(points.specificityAtSensitivity90.specificity, own?.[`${name}SpecificityAtSensitivity90`]),
        note: `at a sensitivity of at least ${bar}`,
      },
    ];
  });
  return [
    { label: 'Accuracy', figure: estimate(report.accuracy, own?.accuracy) },
    { label: 'Balanced accuracy', figure: estimate(report.balancedAccuracy, own?.balancedAccuracy) },
    {
      label: 'Quadratic weighted kappa',
      figure: estimate(report.quadraticWeightedKappa, own?.quadraticWeightedKappa),
      range: KAPPA,
    },
    { label: 'Macro precision', figure: estimate(report.macro.precision, own?.macroPrecision) },
    { label: 'Macro recall', figure: estimate(report.macro.recall, own?.macroRecall) },
    { label: 'Macro F1', figure: estimate(report.macro.f1, own?.macroF1) },
    { label: 'AUROC one against rest', figure: estimate(report.macroAuroc, own?.macroAuroc), note: 'mean over grades' },
    { label: 'AUROC any', figure: estimate(report.anyAuroc, own?.anyAuroc), note: 'grade 1 and above' },
    {
      label: 'AUROC referable',
      figure: estimate(report.referableAuroc, own?.referableAuroc),
      note: 'grade 2 and above',
    },
    ...screening,
    {
      label: 'Calibration error',
      figure: estimate(report.expectedCalibrationError, own?.expectedCalibrationError),
      better: 'low',
    },
    { label: 'Brier score', figure: estimate(report.brier, own?.brier), better: 'low', range: [0, 2] },
  ];
}

/** The grading tasks that were scored. */
export function gradingOf({ plain, calibrated, collected }: BothSettings): GradingData[] {
  const task = (name: string, classNames: readonly string[], key: 'retinopathy' | 'edema'): GradingData[] => {
    const report = plain[key];
    if (!report) return [];
    const own = plain.intervals[key];
    const reliability = (title: string, evaluation: Evaluation): Reliability[] => {
      const bins = evaluation[key]?.reliability;
      const ece = estimate(
        evaluation[key]?.expectedCalibrationError,
        evaluation.intervals[key]?.expectedCalibrationError,
      );
      return bins ? [{ title, bins, ece }] : [];
    };
    return [
      {
        name,
        cases: report.cases,
        note: GRADE_NOTES[key],
        classNames,
        confusion: report.confusion.counts,
        figures: gradingFigures(report, own),
        classes: report.classes.map((one, grade) => ({
          name: classNames[grade],
          support: one.support,
          sensitivity: estimate(one.support > 0 ? one.sensitivity : Number.NaN, own?.classes[grade].sensitivity),
          specificity: estimate(one.specificity, own?.classes[grade].specificity),
          precision: estimate(one.precision, own?.classes[grade].precision),
          f1: estimate(one.f1, own?.classes[grade].f1),
          auroc: estimate(one.auroc, own?.classes[grade].auroc),
        })),
        reliability: [
          ...reliability('Plain (temperature 1)', plain),
          ...(calibrated ? reliability('Calibrated', calibrated) : []),
        ],
        roc: rocOf(collected[key], report),
      },
    ];
  };
  return [
    ...task('Diabetic retinopathy', SHORT_NAMES.retinopathy, 'retinopathy'),
    ...task('Risk of macular edema', SHORT_NAMES.edema, 'edema'),
  ];
}

/**
 * The FROC curve for a plot: the best sensitivity at or under each rate, which is what the FROC score reads from it. By threshold the curve
 * turns back where detections flood.
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
  const lesions = STRUCTURES.filter((lesion) => segmentation[lesion]).map((lesion): LesionData => {
    const scores = segmentation[lesion];
    const own = intervals.segmentation?.lesions[lesion];
    const found = detections?.[lesion];
    return {
      lesion,
      dice: estimate(scores.dice, own?.dice),
      iou: estimate(scores.iou, own?.iou),
      sensitivity: estimate(scores.sensitivity, own?.sensitivity),
      ppv: estimate(scores.ppv, own?.ppv),
      perImageDice: estimate(scores.perImage.dice, own?.perImageDice),
      perImageIou: estimate(scores.perImage.iou, own?.perImageIou),
      images: scores.perImage.images,
      emptyImages: scores.perImage.emptyImages,
      auprExact: estimate(scores.averagePrecision, own?.averagePrecision),
      aupr11: estimate(scores.auprc11, own?.auprc11),
      threshold: scores.threshold,
      ...(found && {
        lesionSensitivity: estimate(found.meanSensitivity, intervals.detections?.[lesion]?.meanSensitivity),
        froc: bestSensitivities(found.curve),
      }),
      ...(precisionRecall && {
        precisionRecall: precisionRecall[lesion].map((point): [number, number] => [point.recall, point.precision]),
      }),
    };
  });
  const mean = intervals.segmentation?.mean;
  const fitted = calibrated?.segmentation;
  const figures: NamedFigure[] = [
    { label: 'Mean Dice of lesions', figure: estimate(meanLesionDice(plain), mean?.dice), note: 'threshold 0.5' },
    { label: 'Mean Dice per image of lesions', figure: estimate(mean?.perImageDice.estimate, mean?.perImageDice) },
    { label: 'Mean AUPR of lesions, exact', figure: estimate(mean?.averagePrecision.estimate, mean?.averagePrecision) },
    { label: 'Mean AUPR of lesions, 11 thresholds', figure: estimate(mean?.auprc11.estimate, mean?.auprc11) },
    ...(fitted
      ? STRUCTURES.filter((lesion) => fitted[lesion]).map((lesion): NamedFigure => {
          const own = calibrated.intervals.segmentation?.lesions[lesion];
          return {
            label: `${lesion}: Dice, calibrated`,
            figure: estimate(fitted[lesion].dice, own?.dice),
            note: `threshold ${fitted[lesion].threshold.toFixed(4)}, fitted on validation images`,
          };
        })
      : []),
  ];
  return { lesions, figures, note };
}

/** The gate, with its misrouted images. */
export function gateOf({ plain, calibrated }: BothSettings): GateData {
  const { gate, intervals } = plain;
  const reliability = (title: string, evaluation: Evaluation): Reliability => ({
    title,
    bins: evaluation.gate.reliability,
    ece: estimate(evaluation.gate.expectedCalibrationError, evaluation.intervals.gate?.expectedCalibrationError),
  });
  return {
    cases: gate.cases,
    figures: [
      { label: 'Accuracy', figure: estimate(gate.accuracy, intervals.gate?.accuracy) },
      ...TASKS.map(
        (task, index): NamedFigure => ({
          label: `Accuracy on ${task} images`,
          figure: estimate(gate.routes[index].accuracy, intervals.gate?.routes[index].accuracy),
        }),
      ),
      {
        label: 'Calibration error',
        figure: estimate(gate.expectedCalibrationError, intervals.gate?.expectedCalibrationError),
        better: 'low',
      },
      {
        label: 'Mean entropy, nats',
        figure: estimate(gate.meanEntropy, intervals.gate?.meanEntropy),
        note: '0 is certain, 0.693 undecided',
        better: 'low',
        range: [0, Math.LN2],
      },
    ],
    routes: gate.routes.map(({ name, truth, routed, meanProbability }) => ({ name, truth, routed, meanProbability })),
    misroutes: gate.misroutes,
    reliability: [
      reliability('Plain (temperature 1)', plain),
      ...(calibrated ? [reliability('Calibrated', calibrated)] : []),
    ],
  };
}
