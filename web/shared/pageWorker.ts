/** The worker of a page. Where its device is lost or memory ends, the page says so and goes on with a new worker, a new device and empty memory. */
import { type Failure, isMendable } from './failure.ts';
import { showFailure } from './page.ts';

/** New workers in a row of which none got anything done: then the visitor decides. */
const MOST_IN_A_ROW = 6;

interface PageWorkerOptions<Event> {
  /** `NAMEWorker.js` stands beside the page's script. */
  readonly name: string;
  /** Where failures are shown. */
  readonly box: HTMLElement;
  readonly hear: (event: Event) => void;
  /** Tells a new worker to open what it needs. What was under way goes on when it says that it has. */
  readonly open: () => void;
  /** The same piece of work failed twice: leaves it out, and says whether any other is left. */
  readonly leaveOut: (failure: Failure) => boolean;
  /** Nothing goes on until the visitor tries again. */
  readonly stopped: () => void;
}

export class PageWorker<Command, Event> {
  readonly #options: PageWorkerOptions<Event>;
  #worker: Worker | null = null;
  #inARow = 0;
  #furthest = -Infinity;

  constructor(options: PageWorkerOptions<Event>) {
    this.#options = options;
  }

  tell(command: Command): void {
    this.#worker?.postMessage(command);
  }

  /** Ends the worker, whatever it does, and begins with a new one. */
  restart(): void {
    this.#worker?.terminate();
    const { name, hear, open } = this.#options;
    const worker = new Worker(new URL(`./${name}Worker.js`, import.meta.url), { type: 'module' });
    // What an ended worker said last is not heard.
    const listen = <Kind extends keyof WorkerEventMap>(kind: Kind, act: (event: WorkerEventMap[Kind]) => void): void =>
      worker.addEventListener(kind, (event) => {
        if (worker === this.#worker) act(event);
      });
    listen('message', ({ data }) => hear(data as Event));
    listen('messageerror', () =>
      this.fail({ code: 'web/memory', message: 'A result of the worker could not be read.' }),
    );
    listen('error', ({ message }) =>
      this.fail({
        code: 'unexpected',
        message: `The worker of this page could not go on${message ? `: ${message}` : ''}.`,
      }),
    );
    this.#worker = worker;
    open();
  }

  /** The visitor begins something: what failed before it does not count. */
  begin(): void {
    this.#inARow = 0;
    this.#furthest = -Infinity;
  }

  /** Work has come to `place`: if it was never there, a failure after it is a new one. */
  advanced(place: number): void {
    if (place <= this.#furthest) return;
    this.#furthest = place;
    this.#inARow = 0;
  }

  fail(failure: Failure): void {
    const { box, leaveOut, stopped } = this.#options;
    this.#inARow++;
    const tries = isMendable(failure.code) && this.#inARow < MOST_IN_A_ROW;
    const goesOn = tries && (this.#inARow % 2 === 1 || leaveOut(failure));
    if (goesOn) {
      showFailure(box, failure, 'This page opens it again and goes on by itself.');
      this.restart();
      return;
    }
    this.#worker?.terminate();
    this.#worker = null;
    stopped();
    showFailure(box, failure, () => {
      this.begin();
      box.replaceChildren();
      this.restart();
    });
  }
}
