/** `--format web`: one folder with weights, configuration, calibration, model card and checksums, which the screening page reads. */
import { encodeSafetensors } from '../../engine/io/safetensors.ts';
import { gmtlVersion } from '../../engine/node/version.ts';
import { packModel } from '../run/modelFolder.ts';
import type { ExportFormat, ExportSource } from './source.ts';

export const webFormat: ExportFormat = {
  description: 'a folder for the screening page: safetensors, configuration, calibration, model card, checksums',
  async files(source) {
    const { trained, calibration, trainingSet, card, figures, name, parameters } = source;
    const files = await packModel({
      facts: { gmtl: gmtlVersion(), name, step: trained.step ?? null, averaged: trained.averaged, parameters },
      created: new Date().toISOString(),
      config: trained.config,
      calibration,
      trainingSet,
      card: { ...card, limits: [...card.limits], references: [...card.references], figures: [...figures] },
      weights: encodeSafetensors(trained.weights),
    });
    return new Map<string, string | Uint8Array>([['README.md', readme(source)], ...files]);
  },
};

function readme({ name, card, figures, calibration }: ExportSource): string {
  const scores = figures.map(
    ({ name: figure, value, cases }) => `- ${figure}: ${value.toFixed(3)} (${cases} test images)`,
  );
  const calibrated = calibration
    ? `Calibrated on ${calibration.fittedOn.images.length} validation images.`
    : 'Not calibrated: `gmtl evaluate RUN` fits temperatures and thresholds.';
  return `# ${name}

**Not a medical device.** ${card.notIntendedFor}

${card.description}

Trained on: ${card.trainingData}

${calibrated}

${scores.length > 0 ? `${scores.join('\n')}\n\n` : ''}${card.limits.map((limit) => `- ${limit}`).join('\n')}

${card.licence}

Look at photographs with it: \`npx gmtl web --run .\`
`;
}
