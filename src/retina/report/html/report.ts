/** Writes the pages: the report of an evaluation, a sample of pictures, tables. */
import { writeFileAtomic } from '../../../engine/node/atomic.ts';
import { ChartList } from './charts.ts';
import type { GalleryData, ReportData, TableData } from './data.ts';
import { renderDocument } from './document.ts';
import { buildGallery } from './gallery.ts';
import { html, type Html } from './html.ts';
import { dataTable, type Section } from './parts.ts';
import { slug } from './format.ts';
import {
  calibrationSection,
  cardSection,
  conventionsSection,
  dataSection,
  setupSection,
  trainingSection,
} from './sections/about.ts';
import { uncertaintySection } from './sections/uncertainty.ts';
import { referralSection } from './sections/referral.ts';
import { gateSection, gradingSections, headline, segmentationSection, summarySection } from './sections/scores.ts';

/**
 * The report of an evaluation as one HTML page that needs no network.
 * @throws GmtlError `report/size` or `report/confusion` naming the picture or the task whose data does not fit together.
 */
export async function renderHtmlReport(data: ReportData): Promise<string> {
  const charts = new ChartList();
  const gallery = await buildGallery(data.gallery);
  const caveats = data.caveats ?? [];
  const sections = [
    summarySection(data),
    referralSection(data),
    ...gradingSections(data, charts),
    uncertaintySection(data, charts),
    segmentationSection(data, charts),
    gateSection(data, charts),
    gallery?.section,
    trainingSection(data, charts),
    calibrationSection(data),
    conventionsSection(data),
    dataSection(data),
    setupSection(data),
    cardSection(data),
  ].filter((section): section is Section => section !== undefined);
  return renderDocument({
    title: data.title,
    subtitle: data.subtitle,
    created: data.created,
    lead: html`${caveatsOf(caveats)}${headline(data)}`,
    sections,
    charts,
    ...(gallery && { gallery }),
  });
}

/** Warnings at the head of a page. */
const caveatsOf = (caveats: readonly string[]): Html =>
  html`${caveats.length > 0 && html`<div class="warning">${caveats.map((one) => html`<p>${one}</p>`)}</div>`}`;

/** {@link renderHtmlReport}, written atomically to `path`. */
export async function writeHtmlReport(path: string, data: ReportData): Promise<void> {
  await writeFileAtomic(path, await renderHtmlReport(data));
}

/** A page with pictures only, for a sample of predictions. */
export interface SampleReportData {
  readonly title: string;
  readonly subtitle?: string;
  readonly created?: string;
  /** What a reader must know before the pictures. */
  readonly caveats?: readonly string[];
  readonly gallery: GalleryData;
  /** Anything to list below the pictures: the routes, the seed. */
  readonly tables?: readonly TableData[];
}

/** Pictures with overlays in the report's look, written atomically to `path`. @throws as {@link renderHtmlReport}. */
export async function writeSampleReport(path: string, data: SampleReportData): Promise<void> {
  const { title, subtitle, created, caveats = [], tables = [] } = data;
  const gallery = await buildGallery(data.gallery, 'Pictures');
  const sections = [...(gallery ? [gallery.section] : []), ...tables.map(tableSection)];
  await writeFileAtomic(
    path,
    renderDocument({ title, subtitle, created, lead: caveatsOf(caveats), sections, ...(gallery && { gallery }) }),
  );
}

/** A page of tables, say for the verification of a data set. */
export interface TablePageData {
  readonly title: string;
  readonly subtitle?: string;
  readonly created?: string;
  /** The outcome in a sentence, shown at the head. */
  readonly verdict?: { readonly good: boolean; readonly text: string };
  readonly tables: readonly TableData[];
}

/** Tables in the report's look, written atomically to `path`. */
export async function writeTablePage(path: string, data: TablePageData): Promise<void> {
  const { verdict, tables, ...page } = data;
  const lead = verdict && html`<p class="${verdict.good ? 'verdict' : 'warning'}"><strong>${verdict.text}</strong></p>`;
  await writeFileAtomic(path, renderDocument({ ...page, ...(lead && { lead }), sections: tables.map(tableSection) }));
}

function tableSection(table: TableData, index: number): Section {
  const { title = 'Table', ...rest } = table;
  return { id: `${slug(title)}-${index + 1}`, title, body: dataTable(rest) };
}
