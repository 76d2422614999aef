/** `gmtl web`: serves the browser pages, and a trained network for them, to this machine alone. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommandModule, InferredOptionTypes, Options } from 'yargs';
import { GmtlError } from '../src/engine/errors.ts';
import { exportRun } from '../src/retina/export/exportRun.ts';
import { MODEL_MANIFEST } from '../src/retina/run/modelFolder.ts';
import { newestRun } from '../src/retina/run/trainedWeights.ts';
import { startWebServer } from '../web/server.ts';

const webOptions = {
  run: {
    type: 'string',
    describe:
      'Run folder, or a folder of `gmtl export --format web`, for the screening page. Default: the newest run in ./runs',
  },
  port: { type: 'number', default: 8484, describe: 'Port of 127.0.0.1; 0 takes a free one' },
} as const satisfies Record<string, Options>;

type WebArguments = InferredOptionTypes<typeof webOptions>;

async function serve({ run, port }: WebArguments): Promise<void> {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new GmtlError('cli/usage', `--port ${port}: give a whole number from 0 to 65535`);
  }
  const source = run ?? newestRunIfAny();
  const isExported = source !== null && existsSync(join(source, MODEL_MANIFEST));
  const temporary = source === null || isExported ? null : mkdtempSync(join(tmpdir(), 'gmtl-model-'));
  try {
    if (source !== null && temporary !== null) await exportRun({ run: source, format: 'web', out: temporary });
    const server = await startWebServer({ port, model: temporary ?? source ?? undefined });
    console.log(server.url);
    console.error(
      source === null
        ? 'network  none: the screening page asks for a model folder (train one with gmtl train, or name a run with --run)'
        : `network  ${source}${run === undefined ? ' (the newest run here)' : ''}`,
    );
    console.error('Only this machine can open it. Stop with Ctrl+C.');
    await interrupted();
    await server.close();
  } finally {
    if (temporary !== null) rmSync(temporary, { recursive: true, force: true });
  }
}

function newestRunIfAny(): string | null {
  try {
    return newestRun('runs');
  } catch (error) {
    if (error instanceof GmtlError && error.code === 'infer/no-run') return null;
    throw error;
  }
}

/** Resolves at the first signal to stop. */
function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
}

export const webCommand: CommandModule<object, WebArguments> = {
  command: 'web',
  describe: 'Serve the browser pages (screening, training, kernels) to this machine alone',
  builder: (yargs) => yargs.options(webOptions),
  handler: serve,
};
