/** Reads and writes a run's `calibration.json`. */
import { checkAttributes } from '../../engine/arguments.ts';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { GmtlError } from '../../engine/errors.ts';
import { shellWord } from './shellWord.ts';
import { readIfPresent, writeFileAtomic } from '../../engine/node/atomic.ts';
import { type Calibration, calibrationSchema } from './calibrationFormat.ts';
import { ensembleCalibrationName, RUN_FILES } from './fileNames.ts';
import { parseStored } from './storedJson.ts';

/** The file of a run's calibration, or of the ensemble's whose first network it is. @param ensemble hash of the ensemble's weights. */
const calibrationFile = (ensemble?: string): string =>
  ensemble === undefined ? RUN_FILES.calibration : ensembleCalibrationName(ensemble);

/** Writes a calibration into a run folder; gives its path. */
export async function writeCalibration(
  runFolder: string,
  calibration: Calibration,
  ensemble?: string,
): Promise<string> {
  const path = join(runFolder, calibrationFile(ensemble));
  await writeFileAtomic(path, `${JSON.stringify(calibration, null, 2)}\n`);
  return path;
}

/** @throws GmtlError `run/no-calibration` where the run has none, or a damaged one. */
export async function readCalibration(runFolder: string, ensemble?: string): Promise<Calibration> {
  const path = join(runFolder, calibrationFile(ensemble));
  const text = readIfPresent(path);
  const remedy = `gmtl evaluate ${shellWord(runFolder)}`;
  if (text === undefined) {
    throw new GmtlError(
      'run/no-calibration',
      `${path}: there is no such file. Fit temperatures and thresholds on the run's validation images first: ${remedy}`,
    );
  }
  return parseStored(calibrationSchema, text, {
    path,
    code: 'run/no-calibration',
    remedy: `Delete it and run: ${remedy}`,
  });
}

/** As {@link calibrationOf}, null where there is none. @throws GmtlError `run/no-calibration` for a damaged one. */
export async function calibrationIfAny(weightsFile: string, ensemble?: string): Promise<Calibration | null> {
  const near = dirname(weightsFile);
  const folder = [near, dirname(near)].find((one) => existsSync(join(one, calibrationFile(ensemble))));
  return folder === undefined ? null : readCalibration(folder, ensemble);
}

/**
 * The calibration of the run that a weights file belongs to: beside it, or in the folder above (a run's checkpoints are one down).
 * @throws GmtlError `run/no-calibration` where there is none.
 */
export async function calibrationOf(weightsFile: string, ensemble?: string): Promise<Calibration> {
  checkAttributes('calibrationOf', { weightsFile: 'path', ensemble: 'text?' }, { weightsFile, ensemble });
  const near = dirname(weightsFile);
  return readCalibration(existsSync(join(near, calibrationFile(ensemble))) ? near : dirname(near), ensemble);
}
