/** The charts of a page: what its script draws. */
import type { Figure } from '../../metrics/figures.ts';
import type { CurvePanel, Reliability } from './data.ts';
import { html, type Html } from './html.ts';

/** Bars in groups, each with its interval. */
export interface BarChart {
  readonly kind: 'bars';
  readonly categories: readonly string[];
  readonly series: readonly { readonly name: string; readonly values: readonly Figure[] }[];
}

export interface LineChart {
  readonly kind: 'lines';
  readonly panel: CurvePanel;
  /** A straight line from the first to the second point, for chance or perfect calibration. */
  readonly reference?: readonly [readonly [number, number], readonly [number, number]];
}

export interface ReliabilityChart {
  readonly kind: 'reliability';
  readonly bins: Reliability['bins'];
}

/** What the page's script draws with echarts; the script chooses sizes, colors and the theme, this holds the data. */
export type ChartSpec = BarChart | LineChart | ReliabilityChart;

/** Gathers a page's charts: placeholders go into the HTML, the specifications into one data block. */
export class ChartList {
  readonly specs: Record<string, ChartSpec> = {};

  /**
   * Registers a chart and returns its placeholder in the page.
   * @param title the figure's caption. @param description for screen readers: what is drawn, and its main figure.
   */
  add(spec: ChartSpec, title: string, description: string, note?: string): Html {
    const id = `chart-${Object.keys(this.specs).length + 1}`;
    this.specs[id] = spec;
    return html`<figure class="chart ${spec.kind}">
<figcaption>${title}${note && html` <span class="note">${note}</span>`}</figcaption>
<div class="plot" id="${id}" role="img" aria-label="${description}"></div>
</figure>`;
  }

  get isEmpty(): boolean {
    return Object.keys(this.specs).length === 0;
  }
}
