/** The report of an evaluated run: the page, and the figures it shows as files. */
import { isGateTaught } from '../config/taught.ts';
import { basename, join } from 'node:path';
import { type DatasetCounts, summarizeDataset } from '../data/sets/datasetFingerprint.ts';
import { type Dataset, GRADE_COUNTS, GRADED_TASKS, GRADINGS, OFFICIAL_COUNTS, OFFICIAL_MASKS } from '../domain.ts';
import type { StoredTensors } from '../../engine/io/safetensors.ts';
import { makeWritableFolder, writeFileAtomic } from '../../engine/node/atomic.ts';
import type { ReportData, TableData } from '../report/html/data.ts';
import { trainingPanels } from '../report/html/training.ts';
import { writeHtmlReport } from '../report/html/report.ts';
import { requireOwn, writeAnnounced } from '../report/ownFiles.ts';
import type { TrainConfig } from '../config/schema.ts';
import { type Calibration, calibrationRows } from '../run/calibrationFormat.ts';
import type { RecordedEnvironment } from '../run/environment.ts';
import { RUN_FILES } from '../run/fileNames.ts';
import { trainedOnCaveat, trainedOnText } from '../run/trainingSetFormat.ts';
import { misroutesCsv } from '../run/misroutes.ts';
import { isOfficialTest, runModelCard } from './modelCard.ts';
import type { RunFolder } from '../run/runFolder.ts';
import type { ProtocolResult } from './protocol.ts';
import { provenanceOf } from '../predict/provenance.ts';
import { PREDICTIONS_FILE, predictionsCsv } from '../predict/predictionsTable.ts';
import type { GalleryCollector } from './gallery.ts';
import { gateOf, gradingOf, headlineOf, segmentationOf, summaryOf } from './reportSections.ts';
import { referralHeadline, referralsOf } from './referralSection.ts';
import { writeGradeCharts } from './gradeCharts.ts';
import { uncertaintyOf } from './uncertaintySection.ts';
import { predictionRows } from './tables.ts';

/** The most pictures on a page; more would add megabytes that nobody scrolls through. */
const MOST_PICTURES = 150;

export interface ReportInput {
  /** Of an ensemble the first, whose settings were used. */
  readonly run: RunFolder;
  /** Folders of the networks that answered as one. Default: the run alone. */
  readonly ensemble?: readonly string[] | null;
  readonly dataset: Dataset;
  /** Optimizer steps taken to reach the weights; null for bare weights. */
  readonly step: number | null;
  /** What was scored, in one line. */
  readonly subject: string;
  /** The network's parameters. */
  readonly parameters: number;
  /** What the evaluation ran on. */
  readonly adapter: string;
  /** The network's weights. */
  readonly weights: StoredTensors;
  readonly frame: 'network' | 'native';
  readonly result: ProtocolResult;
  /** Everything measured, for metrics.json. */
  readonly record: unknown;
  /** The collector that listened while the split was scored. */
  readonly gallery: GalleryCollector;
}

/** The files that a report may consist of. */
export function reportFiles(folder: string): string[] {
  const charts = GRADED_TASKS.flatMap((task) => [`confusion_${task}.png`, `reliability_${task}.png`]);
  return ['report.html', 'metrics.json', PREDICTIONS_FILE, RUN_FILES.misroutes, ...charts].map((name) =>
    join(folder, name),
  );
}

/**
 * Writes `report.html`, `metrics.json`, `predictions.csv`, `misroutes.csv` and the charts of {@link writeGradeCharts} into a folder, which is created.
 * @returns the files written.
 * @throws GmtlError as `requireOwn`, `writeFileAtomic` and `writeHtmlReport`.
 */
export async function writeReport(folder: string, input: ReportInput): Promise<string[]> {
  makeWritableFolder(folder);
  requireOwn(reportFiles(folder), 'evaluate');
  const { result, gallery } = input;
  const provenance = provenanceOf({ weights: input.weights, config: input.run.config() }, input.adapter);
  const texts = {
    'metrics.json': `${JSON.stringify(input.record, null, 2)}\n`,
    [PREDICTIONS_FILE]: predictionsCsv(
      predictionRows(gallery.seen, result.plain, provenance, result.calibration, result.trust),
    ),
    [RUN_FILES.misroutes]: misroutesCsv(result.plain.gate.misroutes, {
      step: input.step,
      epoch: null,
      split: result.split,
    }),
  };
  const page = join(folder, 'report.html');
  const data = await reportData(input);
  return writeAnnounced(reportFiles(folder), 'evaluate', async () => {
    await writeHtmlReport(page, data);
    for (const [name, text] of Object.entries(texts)) await writeFileAtomic(join(folder, name), text);
    const charts = await writeGradeCharts(folder, result.plain);
    return [page, ...Object.keys(texts).map((name) => join(folder, name)), ...charts];
  });
}

const leftOut = (pictures: number): string =>
  pictures > MOST_PICTURES
    ? ` ${MOST_PICTURES} of ${pictures.toLocaleString('en')} are shown; ${PREDICTIONS_FILE} beside this page has all.`
    : '';

/** The page's data. */
async function reportData(input: ReportInput): Promise<ReportData> {
  const { run, dataset, result, subject, gallery, frame } = input;
  const config = run.config();
  const trainingSet = run.trainingSet();
  const { sha256, counts } = await summarizeDataset(dataset.items);
  const recorded = describeEnvironment(run.environment());
  const changed = recorded.fingerprint !== null && recorded.fingerprint !== sha256;
  const segmentation = segmentationOf(
    result,
    `${maskNote(config, frame)} Lesion sensitivity is the FROC score: the mean share of lesions found at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false alarms per image.`,
  );
  const referral = referralsOf(result);
  const uncertainty = uncertaintyOf(result);
  return {
    title: `${(input.ensemble ?? [run.path]).map((path) => basename(path)).join(', ')}: evaluation`,
    subtitle: subject,
    created: new Date().toISOString(),
    headline: [...referralHeadline(result.referral), ...headlineOf(result)],
    caveats: [...trainedOnCaveat(trainingSet), ...caveats(result, counts, changed)],
    summary: summaryOf(result, isGateTaught(config)),
    ...(referral && { referral }),
    ...(uncertainty && { uncertainty }),
    grading: gradingOf(result),
    ...(segmentation && { segmentation }),
    ...(isGateTaught(config) && { gate: gateOf(result) }),
    training: run.hasLog('epochs')
      ? trainingPanels(
          run
            .readLog('epochs')
            .map((row) =>
              Object.fromEntries(
                Object.entries(row).filter(
                  (entry): entry is [string, string | number | null] => typeof entry[1] !== 'boolean',
                ),
              ),
            ),
        )
      : [],
    gallery: {
      images: await gallery.pictures(result.plain, MOST_PICTURES),
      note: `Masks are shown at the threshold 0.5, as scored plainly; the worst pictures come first.${leftOut(gallery.seen.length)}`,
    },
    ...(result.calibration && { calibration: calibrationTable(result.calibration) }),
    configuration: { ...config },
    environment: [...recorded.pairs, ['evaluated on', input.adapter]],
    data: {
      trainedOn: trainedOnText(trainingSet),
      source: dataset.source === run.files.metadata ? (recorded.source ?? dataset.source) : dataset.source,
      fingerprint: sha256,
      splits: splitTable(counts),
      notes: dataset.notes,
    },
    modelCard: runModelCard(config, input.parameters, counts, trainingSet),
  };
}

function maskNote(config: TrainConfig, frame: 'network' | 'native'): string {
  const tiled = config.data.tiles.mode === 'on';
  if (frame === 'native') {
    return `Scored in the original pictures' pixels: ${tiled ? 'overlapping tiles, blended,' : "the network's maps, enlarged,"} against the masks as drawn.`;
  }
  if (tiled) return 'Scored on the square that tiles are cut from, against masks brought to its size.';
  const { imageSize, maskResize } = config.data;
  return `Scored at the network's resolution, ${imageSize} × ${imageSize}; masks shrunk by ${maskResize}.`;
}

function caveats({ split, notes }: ProtocolResult, counts: DatasetCounts, changed: boolean): string[] {
  const { segmentation, classification } = counts[split];
  return [
    ...(split === 'test'
      ? []
      : [`These figures are of the ${split} split, which took part in making the network. They are not test results.`]),
    ...(split === 'test' && !isOfficialTest(counts[split])
      ? [
          `The test split scored here has ${segmentation} images with masks and ${classification} graded ones; IDRiD's own has ${OFFICIAL_MASKS.test.images} and ${OFFICIAL_COUNTS.test.images}. The figures are not comparable with published ones.`,
        ]
      : []),
    ...(changed
      ? ['The images, labels or splits are not those the run was trained with: their fingerprint differs.']
      : []),
    ...notes,
  ];
}

function splitTable(counts: DatasetCounts): TableData {
  const splits = ['train', 'val', 'test'] as const;
  return {
    columns: [
      'Split',
      'Images',
      'With masks',
      'Graded',
      ...GRADED_TASKS.map((task) => `${GRADINGS[task].abbreviation} 0 to ${GRADE_COUNTS[task] - 1}`),
      'Masks',
    ],
    rows: splits.map((split) => {
      const { images, segmentation, classification, retinopathy, edema, masks } = counts[split];
      const files = Object.entries(masks).map(([structure, count]) => `${structure} ${count}`);
      return [split, images, segmentation, classification, retinopathy.join(' '), edema.join(' '), files.join(', ')];
    }),
  };
}

function calibrationTable(calibration: Calibration): TableData {
  const { segmentation, classification } = calibration.fittedOn;
  return {
    note: `Fitted on the validation split (${segmentation} with masks, ${classification} graded). The test images had no part in it.`,
    columns: ['Setting', 'Value', 'On the validation images'],
    rows: calibrationRows(calibration),
  };
}

interface Recorded {
  readonly pairs: readonly (readonly [string, string])[];
  readonly fingerprint: string | null;
  readonly source: string | null;
}

/** Readable names for the entries of `environment.json`. */
const ENVIRONMENT_NAMES: Readonly<Record<string, string>> = {
  processorCount: 'processor cores',
  memoryBytes: 'memory',
  startedAt: 'training started',
};

/** What a run ran on as text; a run made by other means may have no record. */
function describeEnvironment(environment: RecordedEnvironment | null): Recorded {
  if (environment === null) return { pairs: [], fingerprint: null, source: null };
  const { data, adapter, ...rest } = environment;
  const text = (key: string, value: unknown): string => {
    if (key === 'memoryBytes') return `${(Number(value) / 2 ** 30).toFixed(1)} GiB`;
    if (Array.isArray(value)) return value.join(' ');
    return typeof value === 'string' ? value : JSON.stringify(value);
  };
  const known = Object.entries(rest).filter(([, value]) => value !== null);
  return {
    pairs: [
      ...known.map(([key, value]) => [ENVIRONMENT_NAMES[key] ?? key, text(key, value)] as const),
      ['trained on', adapter?.name ?? JSON.stringify(adapter)],
    ],
    fingerprint: data?.sha256 ?? null,
    source: data?.source ?? null,
  };
}
