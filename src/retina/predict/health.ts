/** Health of a worker over HTTP, as orchestrators and monitors ask for it: is it alive, does it take work, how far is it. */
import { createServer } from 'node:http';
import { isIPv6 } from 'node:net';
import { GmtlError } from '../../engine/errors.ts';
import { errorCode } from '../../engine/node/atomic.ts';

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
  /** Since a picture was finished last, or the first of those in hand was taken; since the start where neither was. */
  readonly secondsSinceProgress: number;
}

/** Counts what a worker does. */
export class WorkerHealth {
  readonly #clock: () => number;
  readonly #stuckMs: number;
  #progressAt: number;
  #done = 0;
  #failed = 0;
  #inHand = 0;
  /** Set by the worker. */
  state: HealthReport['state'] = 'starting';
  countJobs: () => Promise<HealthReport['queue']> = () => Promise.resolve(null);

  /**
   * @param stuckMinutes a worker that has pictures in hand and finished none for so long hangs: a driver may. Default 15.
   * @param clock milliseconds that never go back.
   */
  constructor({ stuckMinutes = 15, clock = () => performance.now() }: { stuckMinutes?: number; clock?: () => number }) {
    this.#clock = clock;
    this.#stuckMs = 60_000 * stuckMinutes;
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
    return this.#inHand === 0 || this.#clock() - this.#progressAt < this.#stuckMs;
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

/** Reads `8080` (this machine alone), `0.0.0.0:8080` or `[::1]:8080`. @throws GmtlError `cli/usage` for anything else. */
export function parseHealthAddress(text: string): HealthAddress {
  const [, six, named, digits] = /^(?:\[([^\]]+)\]:|([^:[\]\s]+):)?(\d+)$/.exec(text) ?? [];
  const port = Number(digits);
  const host = six ?? named ?? '127.0.0.1';
  if (digits === undefined || port > 65_535 || (six !== undefined && !isIPv6(six)) || /^\d+$/.test(named ?? '')) {
    const forms =
      'a port (8080), a host and a port (0.0.0.0:8080), or an IPv6 address in brackets and a port ([::]:8080)';
    throw new GmtlError('cli/usage', `--health ${text}: give ${forms}, the port at most 65535`);
  }
  return { host, port };
}

/** An address as URLs have it. */
const shown = (host: string, port: number): string => `${isIPv6(host) ? `[${host}]` : host}:${port}`;

/** What a server that tells little to few takes: probes ask it every few seconds, and whoever asks slowly must hold up nobody. */
const LIMITS = { headersTimeout: 5000, requestTimeout: 5000, connectionsCheckingInterval: 5000 };
const MOST_CONNECTIONS = 32;

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
  const server = createServer(LIMITS, ({ url }, response) => {
    void answer(url?.split('?')[0]).then(({ status, body }) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(`${JSON.stringify(body)}\n`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    // Of no consequence once it listens: a worker does not end because a connection could not be accepted.
    server.on('error', (cause) => {
      const code = errorCode(cause);
      if (code === undefined) return reject(cause);
      const advice = ['EADDRINUSE', 'EACCES'].includes(code)
        ? 'Give another port.'
        : "Is the host a name or an address of this machine's?";
      const what = `--health ${shown(host, port)}: the address cannot be had (${cause.message}). ${advice}`;
      reject(new GmtlError('infer/health', what, { cause }));
    });
    server.maxConnections = MOST_CONNECTIONS;
    server.listen(port, host, resolve);
  });
  // A worker that is done ends, whoever asks.
  server.unref();
  const address = server.address();
  const given = typeof address === 'object' && address ? address.port : port;
  return {
    url: `http://${shown(host, given)}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
