/** Reads and writes a run's `calibration.json`. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { GmtlError } from '../../engine/errors.ts';
import { errorCode, writeFileAtomic } from '../../engine/node/atomic.ts';
import { type Calibration, calibrationSchema } from './calibrationFormat.ts';
import { RUN_FILES } from './fileNames.ts';

/** Writes `calibration.json` into a run folder; gives its path. */
export async function writeCalibration(runFolder: string, calibration: Calibration): Promise<string> {
  const path = join(runFolder, RUN_FILES.calibration);
  await writeFileAtomic(path, `${JSON.stringify(calibration, null, 2)}\n`);
  return path;
}

/** @throws GmtlError `run/no-calibration` where the run has none, or a damaged one. */
export async function readCalibration(runFolder: string): Promise<Calibration> {
  const path = join(runFolder, RUN_FILES.calibration);
  try {
    return calibrationSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') {
      throw new GmtlError(
        'run/no-calibration',
        `${path}: there is no such file. Fit temperatures and thresholds on the run's validation images first: gmtl evaluate ${runFolder}`,
        { cause },
      );
    }
    if (!(cause instanceof SyntaxError) && !(cause instanceof z.ZodError)) throw cause;
    throw new GmtlError(
      'run/no-calibration',
      `${path}: damaged (${cause.message}). Delete it and run: gmtl evaluate ${runFolder}`,
      { cause },
    );
  }
}

/**
 * The calibration of the run that a weights file belongs to: beside it, or in the folder above (a run's checkpoints are one down).
 * @throws GmtlError `run/no-calibration` where there is none.
 */
export async function calibrationOf(weightsFile: string): Promise<Calibration> {
  const near = dirname(weightsFile);
  return readCalibration(existsSync(join(near, RUN_FILES.calibration)) ? near : dirname(near));
}
