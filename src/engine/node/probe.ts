/** Asks a child process which adapters a driver offers, so that a crash stays there. */
import { spawn } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { type AdapterInfo, INFO_FIELDS } from '../gpu/classify.ts';
import { resolveOptional } from './optional.ts';

/** The three requests that between them reach a discrete GPU, an integrated one, and a software adapter. */
export const REQUESTS: readonly GPURequestAdapterOptions[] = [
  { powerPreference: 'high-performance' },
  { powerPreference: 'low-power' },
  { forceFallbackAdapter: true },
];

/** An adapter as a child process saw it. */
export interface ProbedAdapter {
  readonly info: AdapterInfo;
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
}

/** What one child process found. `messages` is what Dawn, the Vulkan loader and the driver printed. */
export interface ProbeResult {
  readonly adapters: readonly ProbedAdapter[];
  readonly messages: string;
  /** Set when the child failed: it crashed, hung or could not load Dawn. */
  readonly failure: string | undefined;
}

/** Longer than any driver was seen to take (lavapipe 0.5 s, a data-center GPU 2 s), short enough for a hung driver. */
const TIMEOUT_MILLISECONDS = 20_000;
const MARK = 'gmtl-probe:';

/*
 * The child's program. It is text because it must run from the sources (under a test runner) and from the compiled
 * package alike, and plain Node 20 cannot run TypeScript. It holds no logic beyond asking and printing.
 */
const PROGRAM = `
const { webgpu, loader, flags, requests, fields, mark } = JSON.parse(process.env.GMTL_PROBE);
if (loader) { try { process.dlopen({ exports: {} }, loader, 2 | 0x1000); } catch {} }
const { create } = await import(webgpu);
const gpu = create(flags);
const adapters = [];
for (const request of requests) {
  const adapter = await gpu.requestAdapter(request);
  if (!adapter) continue;
  const limits = {};
  for (const name in adapter.limits) {
    if (typeof adapter.limits[name] === 'number') limits[name] = adapter.limits[name];
  }
  adapters.push({ info: Object.fromEntries(fields.map((name) => [name, adapter.info[name]])), features: [...adapter.features].sort(), limits });
}
process.stdout.write('\\n' + mark + JSON.stringify(adapters) + '\\n', () => process.exit(0));
`;

/**
 * Asks for adapters in a child process: a driver that crashes takes only the child with it, and the one Dawn instance
 * that a process may create is not used up.
 *
 * @param variables environment variables on top of the current ones
 * @param loader path of a Vulkan loader to load first, where the system has none
 */
export async function probeAdapters(
  flags: readonly string[],
  variables: Readonly<Record<string, string>>,
  loader: string | undefined,
): Promise<ProbeResult> {
  const webgpu = pathToFileURL(resolveOptional('webgpu')).href;
  const task = JSON.stringify({ webgpu, loader, flags, requests: REQUESTS, fields: INFO_FIELDS, mark: MARK });
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', PROGRAM], {
      env: { ...process.env, ...variables, NODE_OPTIONS: '', GMTL_PROBE: task },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TIMEOUT_MILLISECONDS,
      killSignal: 'SIGKILL',
    });
    let output = '';
    let messages = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      messages += text;
    });
    child.on('error', (error) => resolve({ adapters: [], messages, failure: error.message }));
    child.on('close', (status, signal) => {
      const line = output.split('\n').find((candidate) => candidate.startsWith(MARK));
      if (line !== undefined) {
        // Our own program printed it, so its shape is known.
        const adapters = JSON.parse(line.slice(MARK.length)) as ProbedAdapter[];
        resolve({ adapters: withoutDuplicates(adapters), messages, failure: undefined });
        return;
      }
      const ending = signal === null ? `ended with status ${status}` : `was ended by ${signal}`;
      resolve({ adapters: [], messages, failure: `the probing process ${ending}` });
    });
  });
}

function withoutDuplicates(adapters: readonly ProbedAdapter[]): ProbedAdapter[] {
  const byName = new Map(adapters.map((adapter) => [JSON.stringify(adapter.info), adapter]));
  return [...byName.values()];
}

/** Why no adapter came out of a driver, in words, from what Dawn and the loader printed. */
export function explainRefusal(result: ProbeResult): string {
  const lines = result.messages.split('\n').map((line) => line.trim());
  const refusal = lines.findIndex((line) => line.includes('While initializing adapter'));
  if (refusal > 0) return `Dawn refuses the driver: ${lines[refusal - 1].replace(/^(Warning|Error): /, '')}`;
  if (result.failure !== undefined) {
    const last = lines.filter((line) => line !== '').at(-1);
    return last === undefined ? result.failure : `${result.failure}; its last message: ${last}`;
  }
  const unopened = lines.find((line) => line.includes('Failed to open JSON file'));
  if (unopened !== undefined) return 'the manifest cannot be read';
  if (lines.some((line) => line.includes('Failed to detect any valid GPUs'))) {
    return 'the driver finds no device of its own here';
  }
  const error = lines.find((line) => line.startsWith('Error:') || line.startsWith('Warning: vk'));
  return error === undefined ? 'no adapter, and no message said why' : error.replace(/^(Warning|Error): /, '');
}
