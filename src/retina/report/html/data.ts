/**
 * What the HTML report shows, as plain data: everything but the pictures' buffers can be written as JSON. Sections whose data is
 * absent are left out of the page. Numbers may be NaN (or null, as JSON writes it): the page shows "n/a".
 */
import type { Structure } from '../../domain.ts';
import type { Figure, NamedFigure } from '../../metrics/figures.ts';
import type { StructureMasks } from '../overlay.ts';
import type { RgbImage } from '../../domain.ts';

/** A block of the summary table. */
export interface FigureGroup {
  readonly title: string;
  readonly figures: readonly NamedFigure[];
}

/** A line through points; a null or NaN y leaves a gap. */
export interface Curve {
  readonly name: string;
  readonly points: readonly (readonly [number, number | null])[];
  /** Gives the line its structure's color. */
  readonly lesion?: Structure;
  /** Drawn dashed: training beside validation, say. */
  readonly dashed?: boolean;
  /** Shown after the name in legends, e.g. `AUPR 0.43`. */
  readonly note?: string;
}

/** Lines that share their axes. */
export interface CurvePanel {
  readonly title: string;
  readonly note?: string;
  readonly x: string;
  readonly y: string;
  /** 'share': 0 to 1; 'cosine': -1 to 1; 'log': logarithmic; 'free': fitted to the data. */
  readonly scale: 'share' | 'cosine' | 'log' | 'free';
  readonly xScale?: 'share' | 'log' | 'free';
  readonly curves: readonly Curve[];
}

/** One bar of a reliability diagram, as `reliabilityBins` makes them. */
export interface ReliabilityBar {
  readonly low: number;
  readonly high: number;
  readonly count: number;
  readonly confidence: number;
  readonly accuracy: number;
}

export interface Reliability {
  readonly title: string;
  readonly bins: readonly ReliabilityBar[];
  /** Expected calibration error. */
  readonly ece: Figure;
  readonly note?: string;
}

/** One grade against the rest. */
export interface GradeFigures {
  readonly name: string;
  readonly support: number;
  readonly figures: readonly NamedFigure[];
}

/** One grading task. */
export interface GradingData {
  /** Say `Diabetic retinopathy`. */
  readonly name: string;
  readonly cases: number;
  readonly classNames: readonly string[];
  /** Row-major, rows truth, columns prediction: `classNames.length` squared counts. */
  readonly confusion: ArrayLike<number>;
  readonly figures: readonly NamedFigure[];
  readonly classes: readonly GradeFigures[];
  readonly reliability?: readonly Reliability[];
  readonly roc?: readonly Curve[];
  readonly note?: string;
}

/** What one structure's masks score. */
export interface StructureData {
  readonly structure: Structure;
  readonly figures: readonly NamedFigure[];
  readonly images?: number;
  readonly emptyImages?: number;
  readonly threshold?: number;
  /** Points (recall, precision). */
  readonly precisionRecall?: Curve['points'];
  /** Points (false positives per image, lesion sensitivity). */
  readonly froc?: Curve['points'];
}

export interface SegmentationData {
  readonly structures: readonly StructureData[];
  /** Means over the structures and the like. */
  readonly figures?: readonly NamedFigure[];
  /** The resolution that was scored and how masks were brought to it. */
  readonly note?: string;
}

export interface GateData {
  readonly cases: number;
  readonly figures: readonly NamedFigure[];
  readonly routes: readonly {
    readonly name: string;
    readonly truth: number;
    readonly routed: number;
    readonly meanProbability: number | null;
  }[];
  readonly misroutes: readonly {
    readonly id: string;
    readonly truth: string;
    readonly routed: string;
    readonly probability: number;
  }[];
  /** The file beside the page that lists them all; the page itself shows the first 200. */
  readonly misroutesFile?: string;
  readonly reliability?: readonly Reliability[];
  readonly note?: string;
}

/** One grade of one picture. */
export interface GradeData {
  /** Say `DR`. */
  readonly task: string;
  readonly truth: number | null;
  readonly predicted: number;
  readonly probability?: number;
  /** Names of the grades, for the caption. */
  readonly names?: readonly string[];
}

/** Masks of one size; a structure without a mask is not listed. One byte per pixel, row by row, non-zero inside. */
export interface MaskSet {
  readonly width: number;
  readonly height: number;
  readonly masks: StructureMasks;
}

/** One picture of the gallery. Masks cover the whole picture and may have another size than it. */
export interface GalleryImage {
  readonly id: string;
  /** Where it came from, shown in the large view. */
  readonly file?: string;
  readonly image: RgbImage;
  readonly truthMasks?: MaskSet;
  readonly predictedMasks?: MaskSet;
  /** Aggregated Dice by structure of this picture; NaN where truth and prediction are both empty. */
  readonly dice?: { readonly [structure in Structure]?: number | null };
  readonly grades?: readonly GradeData[];
  readonly gate?: {
    /** Absent where no route is wrong, or the right one is unknown. */
    readonly truth?: string;
    readonly routed: string;
    readonly probability: number;
  };
  readonly warnings?: readonly string[];
  /** Orders "worst first": 0 perfect to 1 worst. Default: see `badnessOf`. */
  readonly badness?: number;
}

export interface GalleryData {
  readonly images: readonly GalleryImage[];
  /** Longer side of the pictures in the page, pixels. Default 560. */
  readonly side?: number;
  /** JPEG quality, 1 to 100. Default 80. */
  readonly quality?: number;
  /** At most this many pictures, the worst ones. Default 150. */
  readonly limit?: number;
  readonly note?: string;
}

/** A table of text and numbers. NaN and null print as "n/a"; integers without decimals, other numbers with three. */
export interface TableData {
  readonly title?: string;
  readonly note?: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number | null)[])[];
  /** Rows to draw attention to, by index. */
  readonly marked?: readonly number[];
}

export interface ModelCard {
  /** One paragraph each. */
  readonly description: string;
  readonly intendedUse: string;
  readonly notIntendedFor: string;
  readonly trainingData: string;
  readonly limits: readonly string[];
  readonly licence: string;
  /** Works to be cited; `url` is shown as text and, where it is an https address, linked. */
  readonly references: readonly { readonly text: string; readonly url?: string }[];
}

/** Decisions at an operating point. */
export interface ReferralData {
  /** The rule, the point and where it comes from; or why there is none. */
  readonly note: string;
  readonly figures: readonly NamedFigure[];
  /** Decisions against the truth. */
  readonly counts?: TableData;
}

/** Risk against coverage. */
export interface UncertaintyData {
  /** How to read it. */
  readonly note: string;
  /** Points (coverage, risk). */
  readonly curves: readonly Curve[];
}

/** Everything a report can show. Only `title` is required. */
export interface ReportData {
  readonly title: string;
  /** Say `test split · checkpoint 'best', step 1500 · averaged weights`. */
  readonly subtitle?: string;
  /** ISO 8601. */
  readonly created?: string;
  /** Up to about eight figures for the head of the page. */
  readonly headline?: readonly NamedFigure[];
  /** Something a reader must know before the figures: small test set, derived labels. */
  readonly caveats?: readonly string[];
  readonly summary?: readonly FigureGroup[];
  readonly referral?: ReferralData;
  readonly uncertainty?: UncertaintyData;
  readonly grading?: readonly GradingData[];
  readonly segmentation?: SegmentationData;
  readonly gate?: GateData;
  /** See `trainingPanels` for making them from an epoch log. */
  readonly training?: readonly CurvePanel[];
  readonly gallery?: GalleryData;
  /** Temperatures and thresholds fitted on validation data. */
  readonly calibration?: TableData;
  /** Anything nested; shown as paths and values. */
  readonly configuration?: Readonly<Record<string, unknown>>;
  /** Adapter, driver, versions, seed. */
  readonly environment?: readonly (readonly [string, string])[];
  readonly data?: {
    /** What the network was trained on, in one line. */
    readonly trainedOn?: string;
    readonly source?: string;
    readonly fingerprint?: string;
    /** Images by split and task. */
    readonly splits?: TableData;
    readonly notes?: readonly string[];
  };
  /** How the figures are defined. Default: `CONVENTIONS`. An empty list leaves the section out. */
  readonly conventions?: readonly string[];
  readonly modelCard?: ModelCard;
}
