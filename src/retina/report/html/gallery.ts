/** The gallery of a page: pictures with truth and prediction. */
import { STRUCTURE_COLORS } from '../colors.ts';
import { STRUCTURES, type Structure, structureInText } from '../../domain.ts';
import type { GalleryData, GalleryImage, GradeData } from './data.ts';
import { isNumber, number, percent } from './format.ts';
import { html, type Html } from './html.ts';
import type { Section } from './parts.ts';
import {
  badnessOf,
  isMisrouted,
  isUndecided,
  jpegAddress,
  meanDiceOf,
  type PackedMasks,
  packMasks,
} from './pictures.ts';

/** The masks of a page's pictures, in the cards' order, which the page's script reads from the block `gallery-data`. */
export interface GalleryBlock {
  readonly lesions: readonly { readonly name: Structure; readonly title: string; readonly rgb: readonly number[] }[];
  readonly pictures: readonly { readonly truth: PackedMasks | null; readonly predicted: PackedMasks | null }[];
}

/** A gallery: its section and the block for the script. */
export interface Gallery {
  readonly section: Section;
  readonly block: GalleryBlock;
}

const DEFAULTS = { side: 560, quality: 80, limit: 150 } as const;

/**
 * Builds the gallery, worst pictures first. Returns undefined without pictures.
 * @throws GmtlError `report/size` naming the picture whose buffer or mask does not fit its size.
 */
export async function buildGallery(data: GalleryData | undefined, title = 'Gallery'): Promise<Gallery | undefined> {
  if (!data || data.images.length === 0) return undefined;
  const { side = DEFAULTS.side, quality = DEFAULTS.quality, limit = DEFAULTS.limit } = data;
  const ordered = data.images
    .map((picture) => ({ picture, badness: badnessOf(picture) }))
    .sort((left, right) => right.badness - left.badness || left.picture.id.localeCompare(right.picture.id, 'en'));
  const shown = ordered.slice(0, limit);
  const cards: Html[] = [];
  const pictures: GalleryBlock['pictures'][number][] = [];
  for (const { picture, badness } of shown) {
    const { truthMasks, predictedMasks, id } = picture;
    pictures.push({
      truth: truthMasks ? packMasks(truthMasks, side, `${id}, truth`) : null,
      predicted: predictedMasks ? packMasks(predictedMasks, side, `${id}, prediction`) : null,
    });
    cards.push(card(picture, badness, cards.length, await jpegAddress(picture, side, quality)));
  }
  const structures = STRUCTURES.filter((structure) =>
    shown.some(({ picture }) => picture.truthMasks?.masks[structure] ?? picture.predictedMasks?.masks[structure]),
  );
  const leftOut = ordered.length - shown.length;
  const body = html`${data.note && html`<p class="note">${data.note}</p>`}
${leftOut > 0 && html`<p class="note">The ${shown.length} worst of ${ordered.length} pictures are shown.</p>`}
${toolbar(
  shown.map(({ picture }) => picture),
  structures,
)}
<p class="note" id="gallery-count" role="status">${shown.length} pictures</p>
<ul class="gallery" id="gallery">${cards}</ul>
<p class="more" id="gallery-more" hidden><button type="button" data-more></button><button type="button" data-all>Show all</button></p>
${viewer()}`;
  return {
    section: { id: 'gallery-section', title, body },
    block: {
      lesions: STRUCTURES.map((name) => ({ name, title: structureInText(name), rgb: STRUCTURE_COLORS[name].rgb })),
      pictures,
    },
  };
}

function toolbar(pictures: readonly GalleryImage[], structures: readonly Structure[]): Html {
  const hasBoth = pictures.some((one) => one.truthMasks && one.predictedMasks);
  const layers: [string, string][] = [
    ['prediction', 'Prediction'],
    ...(hasBoth
      ? ([
          ['truth', 'Truth'],
          ['agreement', 'Agreement'],
          ['compare', 'Compare'],
        ] as [string, string][])
      : []),
    ['none', 'Photo'],
  ];
  const first = hasBoth ? 'compare' : 'prediction';
  const filters: [string, string, boolean][] = [
    ['all', 'all', true],
    ['masks', 'with true masks', pictures.some((one) => one.truthMasks)],
    ['graded', 'graded', pictures.some((one) => one.grades?.some(({ truth }) => truth !== null))],
    ['wrong', 'wrong grade', pictures.some(isWrong)],
    ['misrouted', 'misrouted', pictures.some(isMisrouted)],
  ];
  return html`<form class="toolbar" id="gallery-tools" aria-label="What the gallery shows">
${
  structures.length > 0 &&
  html`<fieldset class="segments"><legend>Overlay</legend>${layers.map(([value, text]) => html`<label><input type="radio" name="layer" value="${value}"${value === first && html` checked`}><span>${text}</span></label>`)}</fieldset>
<fieldset class="lesions"><legend>Structures</legend>${structures.map((structure) => html`<label title="${structureInText(structure)}"><input type="checkbox" name="lesion" value="${structure}" checked><i class="swatch photo" data-lesion="${structure}"></i>${structure}</label>`)}</fieldset>
<label class="field">Opacity <input type="range" name="opacity" min="0" max="100" value="45" aria-label="Opacity of the overlay"></label>
${hasBoth && html`<label class="field">Truth | prediction <input type="range" name="divider" min="0" max="100" value="50" aria-label="Place of the divider between truth, left, and prediction, right"></label>`}`
}
<label class="field">Show <select name="filter">${filters.filter(([, , any]) => any).map(([value, text]) => html`<option value="${value}">${text}</option>`)}</select></label>
<label class="field">Sort <select name="sort"><option value="worst">worst first</option><option value="best">best first</option><option value="name">by name</option><option value="confidence">by confidence of the gate</option></select></label>
${hasBoth && html`<p class="key" id="agreement-key" hidden><i class="swatch hit"></i>found <i class="swatch false"></i>false alarm <i class="swatch miss"></i>missed</p>`}
</form>`;
}

function viewer(): Html {
  return html`<dialog id="viewer" aria-labelledby="viewer-title">
<div class="viewer-head"><h3 id="viewer-title"></h3><label class="field">Overlay <select id="viewer-layer"></select></label><label class="field">Zoom <input type="range" id="viewer-zoom" min="100" max="600" value="100"></label><button type="button" data-step="-1" aria-label="Previous picture">←</button><button type="button" data-step="1" aria-label="Next picture">→</button><button type="button" data-close aria-label="Close">✕</button></div>
<div class="viewer-pane" tabindex="0" role="region" aria-label="Enlarged picture"><div class="picture"></div></div>
<div class="viewer-text"></div>
</dialog>`;
}

function isWrong({ grades }: GalleryImage): boolean {
  return grades?.some(({ truth, predicted }) => truth !== null && truth !== predicted) ?? false;
}

function card(
  picture: GalleryImage,
  badness: number,
  index: number,
  { address, width, height }: { address: string; width: number; height: number },
): Html {
  const misrouted = isMisrouted(picture);
  const kinds = [
    picture.truthMasks && 'masks',
    picture.grades?.some(({ truth }) => truth !== null) && 'graded',
    isWrong(picture) && 'wrong',
    misrouted && 'misrouted',
  ].filter((kind) => typeof kind === 'string');
  return html`<li class="card${misrouted && ' misrouted'}" data-index="${index}" data-badness="${badness.toFixed(6)}" data-name="${picture.id}" data-kinds="${kinds.join(' ')}" data-confidence="${picture.gate?.probability ?? -1}">
<button type="button" class="picture" style="aspect-ratio:${width}/${height}" aria-label="Enlarge ${picture.id}"><img src="${address}" width="${width}" height="${height}" alt="${altText(picture)}" loading="lazy" decoding="async"><canvas aria-hidden="true"></canvas></button>
<div class="caption"><strong class="name">${picture.id}</strong>${captionLines(picture)}</div>
</li>`;
}

function captionLines(picture: GalleryImage): Html {
  const { gate, grades, dice, warnings } = picture;
  const scored = STRUCTURES.filter((structure) => dice && structure in dice);
  const mean = meanDiceOf(picture);
  return html`${
    gate &&
    html`<p class="route${isMisrouted(picture) && ' bad'}">${isMisrouted(picture) ? html`<b>misrouted</b> to ${gate.routed}, belongs to ${gate.truth}` : html`gate: ${isUndecided(picture) ? `undecided, ${gate.routed}` : gate.routed}`} · ${percent(gate.probability)}</p>`
  }${(grades ?? []).map(gradeLine)}${
    scored.length > 0 &&
    html`<p class="dice">Dice ${isNumber(mean) ? html`<b>${number(mean, 2)}</b> · ` : ''}${scored.map((structure) => html`<span><i class="swatch photo" data-lesion="${structure}"></i>${structure} ${isNumber(dice?.[structure]) ? number(dice?.[structure], 2) : '–'}</span> `)}</p>`
  }${picture.file && html`<p class="file">${picture.file}</p>`}${(warnings ?? []).map((one) => html`<p class="bad">${one}</p>`)}`;
}

function gradeLine({ task, truth, predicted, probability, names }: GradeData): Html {
  const text = (grade: number): string => `${grade}${names?.[grade] ? ` ${names[grade]}` : ''}`;
  const sure = isNumber(probability) ? ` (${percent(probability)})` : '';
  if (truth === null) return html`<p>${task}: ${text(predicted)}${sure}</p>`;
  return truth === predicted
    ? html`<p>${task}: <b class="good">✓</b> ${text(predicted)}${sure}</p>`
    : html`<p class="bad">${task}: <b>✗</b> ${text(predicted)}${sure}, truth ${text(truth)}</p>`;
}

/** Alternative text of a picture, for people who cannot see it. */
function altText(picture: GalleryImage): string {
  const { id, grades, dice } = picture;
  const parts = [`Retina ${id}`];
  for (const { task, truth, predicted } of grades ?? []) {
    parts.push(`${task} predicted ${predicted}${truth === null ? '' : `, truth ${truth}`}`);
  }
  for (const structure of STRUCTURES) {
    if (isNumber(dice?.[structure]))
      parts.push(`Dice of ${structureInText(structure)} ${number(dice?.[structure], 2)}`);
  }
  if (isMisrouted(picture)) parts.push(`misrouted to ${picture.gate?.routed}`);
  return parts.join('; ');
}
