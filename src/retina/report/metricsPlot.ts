/** The metrics plot of a finished run, as a picture. */
import { type CurveOptions, type EpochRow, type Panel, pairedLines, renderPanels, type SplitValues } from './curves.ts';
import { PALETTE } from './svg.ts';

/**
 * Draws the metrics plot that System A ends its training with, as a PNG: left the total loss, right classification accuracy (one line
 * per task) and Dice (the mean over structures), each in validation (solid) and training (dashed).
 * @throws GmtlError `report/empty` without rows, `report/epochs` when epochs do not rise.
 */
export function renderMetricsPlot(rows: readonly EpochRow[], options: CurveOptions = {}): Buffer {
  return renderPanels(rows, panelsOf, options.title ?? 'Loss, accuracy and Dice', options.scale ?? 1.5);
}

function panelsOf(rows: readonly EpochRow[]): Panel[] {
  const values = rows.flatMap(({ train, validation }) => [train ?? {}, validation ?? {}]);
  const tasks = [...new Set(values.flatMap(({ accuracy = {} }) => Object.keys(accuracy)))];
  const structures = new Set(values.flatMap(({ dice = {} }) => Object.keys(dice)));
  const [only] = structures;
  const panels: Panel[] = [
    { title: 'Loss', unit: 'loss', lines: pairedLines(rows, '', PALETTE[0], ({ loss }) => loss) },
    {
      title: 'Classification accuracy and Dice',
      unit: 'share',
      lines: [
        ...tasks.flatMap((task, index) =>
          pairedLines(rows, `${task} accuracy`, PALETTE[index % PALETTE.length], ({ accuracy }) => accuracy?.[task]),
        ),
        ...pairedLines(
          rows,
          structures.size > 1 ? `mean Dice of ${structures.size}` : `${only ?? ''} Dice`.trim(),
          PALETTE[tasks.length % PALETTE.length],
          meanDice,
        ),
      ],
    },
  ];
  return panels.map((panel) => ({ ...panel, lines: panel.lines.filter((line) => line.values.some(Number.isFinite)) }));
}

/** Mean over the structures whose Dice is defined; undefined where none is. */
function meanDice({ dice = {} }: SplitValues): number | undefined {
  const defined = Object.values(dice).filter(Number.isFinite);
  return defined.length === 0 ? undefined : defined.reduce((sum, value) => sum + value, 0) / defined.length;
}
