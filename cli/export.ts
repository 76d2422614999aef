/** `gmtl export`: writes a trained network in another form. */
import { join } from 'node:path';
import type { CommandModule, InferredOptionTypes, Options } from 'yargs';
import { exportRun } from '../src/retina/export/exportRun.ts';
import { EXPORT_FORMATS, type ExportFormatName } from '../src/retina/export/formats.ts';
import { newestRun } from '../src/retina/run/trainedWeights.ts';
import { weightsOption } from './options.ts';

const formats = Object.keys(EXPORT_FORMATS) as ExportFormatName[];

const exportOptions = {
  format: {
    choices: formats,
    demandOption: true,
    describe: formats.map((name) => `${name}: ${EXPORT_FORMATS[name].description}`).join('; '),
  },
  out: { type: 'string', describe: 'Folder to write. Default: export/FORMAT' },
  config: { type: 'string', describe: 'Configuration (JSON) that goes with a bare .safetensors file' },
  weights: weightsOption,
  task: {
    choices: ['both', 'grades', 'masks'],
    default: 'both',
    describe: 'onnx: the experts that are exported; the gate always is',
  },
  opset: { choices: [17, 20], default: 17, describe: 'onnx: the operator set; 20 has GELU as one node' },
  calibrated: {
    type: 'boolean',
    default: true,
    describe: 'onnx, torch: use the temperatures and thresholds that `gmtl evaluate` fitted, where the run has them',
  },
  overwrite: { type: 'boolean', default: false, describe: 'Replace an earlier export in the folder' },
} as const satisfies Record<string, Options>;

type ExportArguments = InferredOptionTypes<typeof exportOptions> & { run?: string };

export const exportCommand: CommandModule<object, ExportArguments> = {
  command: 'export [run]',
  describe: 'Write a trained network in a form that others read',
  builder: (yargs) =>
    yargs
      .positional('run', {
        type: 'string',
        describe: 'Run folder, checkpoint manifest (.json) or .safetensors file. Default: the newest run in ./runs',
      })
      .options(exportOptions),
  handler: async ({ run = newestRun('runs'), format, out = join('export', format), ...options }) => {
    const files = await exportRun({ run, format, out, ...options });
    for (const { path, bytes } of files) console.log(`${String(bytes).padStart(12)}  ${path}`);
  },
};
