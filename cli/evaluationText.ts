import { type Column, formatTable } from '../src/report/table.ts';
import type { ConfusionMatrix } from '../src/metrics/index.ts';
import type { Evaluation } from '../src/train/evaluate.ts';

const figure = (value: number): string => (Number.isNaN(value) ? 'n/a' : value.toFixed(3));

const confusionText = ({ classes, counts }: ConfusionMatrix): string =>
  Array.from({ length: classes }, (_, row) =>
    Array.from(counts.slice(row * classes, (row + 1) * classes)).join(' '),
  ).join(' | ');

/** An evaluation as text for the terminal. */
export function evaluationText(evaluation: Evaluation, title: string): string {
  const blocks = [`${title} (${evaluation.images} images)`];
  const { segmentation, retinopathy, edema, intervals, gate } = evaluation;
  if (segmentation) {
    const columns: Column[] = [
      { header: 'mask' },
      ...['Dice', 'IoU', 'Dice/image', 'AUPR', 'sensitivity', 'PPV'].map((header) => ({
        header,
        align: 'right' as const,
      })),
    ];
    const rows = Object.entries(segmentation).map(([lesion, scores]) => [
      lesion,
      figure(scores.dice),
      figure(scores.iou),
      figure(scores.perImage.dice),
      figure(scores.averagePrecision),
      figure(scores.sensitivity),
      figure(scores.ppv),
    ]);
    blocks.push(formatTable(columns, rows));
  }
  const grades = [
    ['retinopathy', retinopathy, intervals.retinopathy] as const,
    ['macular edema', edema, intervals.edema] as const,
  ].flatMap(([name, report, interval]) =>
    report
      ? [
          [
            name,
            figure(report.accuracy) +
              (interval ? ` [${figure(interval.accuracy.low)}, ${figure(interval.accuracy.high)}]` : ''),
            figure(report.macro.f1),
            figure(report.quadraticWeightedKappa),
            figure(report.anyAuroc),
            confusionText(report.confusion),
          ],
        ]
      : [],
  );
  if (grades.length > 0) {
    const headers = ['grades', 'accuracy [95 %]', 'macro F1', 'QWK', 'AUROC 0/1+', 'confusion (rows: truth)'];
    blocks.push(
      formatTable(
        headers.map((header) => ({ header })),
        grades,
      ),
    );
  }
  if (intervals.joint)
    blocks.push(
      `both grades right: ${figure(intervals.joint.estimate)} [${figure(intervals.joint.low)}, ${figure(intervals.joint.high)}]`,
    );
  const routed = gate.routes.map(({ name, routed: count }) => `${count} to ${name}`).join(', ');
  blocks.push(`gate accuracy ${figure(gate.accuracy)} (${routed}; mean entropy ${figure(gate.meanEntropy)} nats)`);
  return `${blocks.join('\n\n')}\n`;
}
