/** The process of `gmtl bench compile`: compiles what it was asked for, one pipeline after another, and prints its answer as JSON. */
import { writeSync } from 'node:fs';
import { createNodeDevice } from '../src/engine/node/createDevice.ts';
import { type CompileAnswer, type CompileRequest, type CompiledVariant, kernelVariants, ROW_MARK } from './compile.ts';

const { adapter, set, filter } = JSON.parse(process.argv[2]) as CompileRequest;
const { device, opened } = await createNodeDevice({ adapter, probe: false });
const rows: CompiledVariant[] = [];
const variants = await kernelVariants(set, device.target, filter);
for (const { dispatch, settings } of variants) {
  // The driver writes to the same stream at once, past Node's buffers.
  writeSync(2, `${ROW_MARK}${rows.length} ${variants.length} ${dispatch.kernel.name}\n`);
  const start = performance.now();
  const error = await device.probe(dispatch);
  rows.push({ kernel: dispatch.kernel.name, settings, milliseconds: performance.now() - start, error });
}
const answer: CompileAnswer = {
  adapter: device.name,
  compiler: `${device.info.description} ${device.info.device}`.trim(),
  kind: opened.kind,
  rows,
};
// Without destroying the device: a driver that only compiles cannot be taken down in order.
process.stdout.write(JSON.stringify(answer), () => process.exit(0));
