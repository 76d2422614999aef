/** Health of a worker over HTTP, as orchestrators and monitors ask for it: is it alive, does it take work, how far is it. */
import { createServer } from 'node:http';
import { GmtlError } from '../../engine/errors.ts';
import { errorCode } from '../../engine/node/atomic.ts';

/** A worker that has pictures in hand and finished none for so long hangs: a driver may. */
const STUCK_MS = 15 * 60_000;

/** What a worker says of itself, as JSON at `/`. */
export interface HealthReport {
  /** `starting`: the network is being recorded; `stopping`: it finishes the pictures in hand. */
  readonly state: 'starting' | 'working' | 'stopping';
  /** The queue's jobs by state; null where its server does not answer. */
  readonly queue: Readonly<Record<string, number>> | null;
  readonly done: number;
  /** Of those, pictures with an error in place of a result. */
  readonly failed: number;
  readonly inHand: number;
  /** Since a picture was finished or taken in hand last; since the start where none was. */
  readonly secondsSinceProgress: number;
}

/** Counts what a worker does. */
export class WorkerHealth {
  readonly #clock: () => number;
  #progressAt: number;
  #done = 0;
  #failed = 0;
  #inHand = 0;
  /** Set by the worker. */
  state: HealthReport['state'] = 'starting';
  countJobs: () => Promise<HealthReport['queue']> = () => Promise.resolve(null);

  /** @param clock milliseconds that never go back. */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
    this.#progressAt = clock();
  }

  /** A picture is taken in hand. */
  began(): void {
    if (this.#inHand++ === 0) this.#progressAt = this.#clock();
  }

  /** A picture that was in hand is done, or is given back to the queue (`again`). */
  ended(how: 'done' | 'failed' | 'again'): void {
    this.#inHand--;
    if (how !== 'again') this.#done++;
    if (how === 'failed') this.#failed++;
    this.#progressAt = this.#clock();
  }

  async report(): Promise<HealthReport> {
    return {
      ...{ state: this.state, queue: await this.countJobs() },
      ...{ done: this.#done, failed: this.#failed, inHand: this.#inHand },
      secondsSinceProgress: Math.round((this.#clock() - this.#progressAt) / 1000),
    };
  }

  /** False where it hangs. */
  get isAlive(): boolean {
    return this.#inHand === 0 || this.#clock() - this.#progressAt < STUCK_MS;
  }
}

/** What is well, by path. */
const CHECKS: Readonly<Record<string, (report: HealthReport, isAlive: boolean) => boolean>> = {
  '/': () => true,
  '/startupz': ({ state }) => state !== 'starting',
  '/livez': (_, isAlive) => isAlive,
  '/readyz': ({ state, queue }, isAlive) => state === 'working' && queue !== null && isAlive,
};

/** Where health is served. */
export interface HealthAddress {
  readonly host: string;
  readonly port: number;
}

/** Reads `8080` (this machine alone) or `0.0.0.0:8080`. @throws GmtlError `cli/usage` for anything else. */
export function parseHealthAddress(text: string): HealthAddress {
  const [, host = '127.0.0.1', digits] = /^(?:(.+):)?(\d+)$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535) {
    throw new GmtlError('cli/usage', `--health ${text}: give a port, or a host and a port as 0.0.0.0:8080`);
  }
  return { host, port };
}

/**
 * Serves `/startupz` (200 once the network is recorded, 503 before), `/livez` (503 where the worker hangs), `/readyz` (200 where it takes work: it neither starts,
 * stops nor hangs, and the queue's server answers) and `/` (always 200); each answers with the {@link HealthReport} as JSON.
 *
 * @throws GmtlError `infer/health` where the address cannot be had.
 */
export async function serveHealth(
  health: WorkerHealth,
  { host, port }: HealthAddress,
): Promise<{ readonly url: string; readonly close: () => Promise<void> }> {
  const answer = async (path: string | undefined): Promise<{ status: number; body: object }> => {
    const check = CHECKS[path ?? ''];
    if (check === undefined) return { status: 404, body: { paths: Object.keys(CHECKS) } };
    const report = await health.report();
    return { status: check(report, health.isAlive) ? 200 : 503, body: report };
  };
  const server = createServer(({ url }, response) => {
    void answer(url?.split('?')[0]).then(({ status, body }) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(`${JSON.stringify(body)}\n`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      if (errorCode(cause) === undefined) return reject(cause);
      const what = `--health ${host}:${port}: the address cannot be had (${cause.message}). Give another port.`;
      reject(new GmtlError('infer/health', what, { cause }));
    });
    server.listen(port, host, resolve);
  });
  // A worker that is done ends, whoever asks.
  server.unref();
  const address = server.address();
  const given = typeof address === 'object' && address ? address.port : port;
  return {
    url: `http://${host}:${given}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
