/** The HTML report, its sample page and table page. */
export { CONVENTIONS, idridModelCard, type ModelCardFacts } from './card.ts';
export type * from './data.ts';
export { badnessOf } from './pictures.ts';
export { type LogRow, trainingPanels } from './training.ts';
export {
  renderHtmlReport,
  type SampleReportData,
  type TablePageData,
  writeHtmlReport,
  writeSampleReport,
  writeTablePage,
} from './report.ts';
