/** What commands print of pictures as they are done: JSON on standard output for programs, lines and a bar on standard error for people. */
import { SingleBar } from 'cli-progress';
import { outcomeLines, type PictureOutcome } from '../src/retina/predict/inferPictures.ts';
import { withoutIdentifiers } from '../src/retina/predict/result.ts';
import { formatDuration } from '../src/retina/train/progress.ts';

/** Where it is printed; replaceable, for tests. */
export interface PictureStreams {
  readonly out: NodeJS.WritableStream;
  readonly err: NodeJS.WriteStream;
  /** Milliseconds that never go back. */
  readonly clock: () => number;
}

const PROCESS: PictureStreams = { out: process.stdout, err: process.stderr, clock: () => performance.now() };

/** An outcome as JSON on one line. @param identifiers whether patient and study of DICOM files are in it. */
function outcomeJson({ input, ...rest }: PictureOutcome, identifiers: boolean): string {
  return JSON.stringify(
    'error' in rest
      ? {
          file: input.path,
          ...(input.frame && { dicom: { frame: input.frame } }),
          ...input.entry,
          error: { code: rest.error.code, message: rest.error.message },
        }
      : {
          ...input.entry,
          ...(identifiers ? rest.result : withoutIdentifiers(rest.result)),
          files: rest.files,
          milliseconds: rest.milliseconds,
          ...(rest.lacks !== undefined && { lacks: rest.lacks }),
        },
  );
}

/** A list's pictures as they are done. */
export interface PictureProgress {
  show(outcome: PictureOutcome): void;
  /** Gives the terminal back. Call it on errors too. */
  stop(): void;
}

/**
 * Prints pictures of a list: on a terminal above a bar with rate and time left; elsewhere each line begins with those. Pictures that a resumed run leaves
 * out count as done and not towards the rate.
 */
export function startPictures(
  total: number,
  identifiers: boolean,
  { out, err, clock }: PictureStreams = PROCESS,
): PictureProgress {
  const started = clock();
  let done = 0;
  let computed = 0;
  const count = (outcome: PictureOutcome) => {
    done++;
    if (!('earlier' in outcome && outcome.earlier === 'recorded')) computed++;
    const rate = (1000 * computed) / (clock() - started);
    return { rate: rate.toFixed(1), left: computed > 0 ? formatDuration((total - done) / rate) : null };
  };
  const print = (outcome: PictureOutcome, prefix = ''): void => {
    out.write(`${outcomeJson(outcome, identifiers)}\n`);
    for (const [index, line] of outcomeLines(outcome).entries()) err.write(`${index === 0 ? prefix : ''}${line}\n`);
  };
  if (total < 2 || !err.isTTY) {
    return {
      show(outcome) {
        const { rate, left } = count(outcome);
        print(outcome, total < 2 ? '' : `${done}/${total}${left === null ? '' : `, ${rate}/s, ${left} left`}  `);
      },
      stop: () => undefined,
    };
  }
  const bar = new SingleBar({
    format: '{bar} {value}/{total} | {rate} images/s | ETA {left}',
    ...{ stream: err, barsize: 24, barCompleteChar: '=', barIncompleteChar: '-', fps: 10 },
    // A crash before stop() would leave a hidden cursor hidden; signals belong to the command.
    ...{ hideCursor: false, gracefulExit: false },
    // Lines above the bar may be longer than the terminal is wide.
    linewrap: true,
  });
  // Begun with the first picture: until then a command says what it opens.
  let isShown = false;
  return {
    show(outcome) {
      const { rate, left } = count(outcome);
      if (!isShown) bar.start(total, 0, { rate, left: left ?? '-' });
      isShown = true;
      // The line of the bar is cleared; ESC 7 renews the cursor position that cli-progress saved at the start and returns to at the end.
      err.write('\r\u001b[K');
      print(outcome);
      err.write('\u001b7');
      bar.update(done, { rate, left: left ?? '-' });
    },
    stop() {
      if (isShown) bar.stop();
      isShown = false;
    },
  };
}

/** Prints one picture of a stream. */
export function showPicture(outcome: PictureOutcome): void {
  startPictures(1, false).show(outcome);
}
