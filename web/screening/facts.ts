/** What the network says of a photograph, and what it is itself, as elements. */
import { GRADINGS, type GradedTask, GRADED_TASKS, STRUCTURES } from '../../src/retina/domain.ts';
import { type Referral, referralText } from '../../src/retina/predict/referral.ts';
import type { Grade, InferResult } from '../../src/retina/predict/result.ts';
import type { ModelFolderCard } from '../../src/retina/run/modelFolder.ts';
import { element } from '../shared/elements.ts';
import type { Looked, OpenedModel } from './messages.ts';

const percent = (share: number, digits = 0): string => `${(100 * share).toFixed(digits)} %`;

/** The referral, grades, gate, lesions and times. */
export function resultFacts({ result, milliseconds, calibrated }: Looked, model: OpenedModel): HTMLElement[] {
  const { gate, frame, crop } = result;
  const seconds = (time: number): string => `${(time / 1000).toFixed(time < 10_000 ? 2 : 0)} s`;
  return [
    referralFact(result.referral, model),
    ...GRADED_TASKS.flatMap((task) => {
      const grade = result[task];
      return grade ? [gradeFact(task, grade, calibrated)] : [];
    }),
    lesionTable(result),
    pairs({
      'Gate’s choice': `${gate.task} (${percent(gate.probability)})`,
      Photograph: `${frame.width} × ${frame.height} pixels; square of ${crop.size} at ${crop.left}, ${crop.top}`,
      Probabilities: calibrated ? `calibrated on ${model.calibratedOn} validation images` : 'as the network gives them',
      Time: `${seconds(milliseconds.decode)} decoding, ${seconds(milliseconds.compute)} computing`,
      Adapter: adapterText(model),
    }),
  ];
}

/** The decision first: it is what screening asks for. Where there is none, why. */
function referralFact(referral: Referral | undefined, { referralNote }: OpenedModel): HTMLElement {
  return element(
    'div',
    { class: 'referral', 'data-decision': referral?.decision ?? 'missing' },
    element('h3', {}, 'Referral'),
    element('p', { class: 'grade-name' }, element('strong', {}, referral ? referralText(referral) : 'Not decided')),
    element('p', { class: 'note' }, referralNote),
  );
}

export const adapterText = ({ adapter }: OpenedModel): string =>
  `${adapter.name} (${adapter.deviceClass === 'gpu' ? 'GPU' : 'software'})`;

function gradeFact(task: GradedTask, { grade, name, probabilities }: Grade, calibrated: boolean): HTMLElement {
  const { title, shortGrades } = GRADINGS[task];
  return element(
    'div',
    { class: 'grade' },
    element('h3', {}, title),
    element('p', { class: 'grade-name' }, element('strong', {}, String(grade)), ` ${name}`),
    element(
      'table',
      {},
      element('caption', { class: 'note' }, calibrated ? 'Calibrated probabilities' : 'Probabilities, not calibrated'),
      element(
        'tbody',
        {},
        ...probabilities.map((probability, index) =>
          element(
            'tr',
            index === grade ? { class: 'chosen' } : {},
            element('th', { scope: 'row' }, shortGrades[index]),
            element(
              'td',
              { class: 'bar' },
              element('meter', {
                min: 0,
                max: 1,
                value: probability,
                'aria-label': `probability of ${shortGrades[index]}`,
              }),
            ),
            element('td', { class: 'number' }, percent(probability)),
          ),
        ),
      ),
    ),
  );
}

function lesionTable({ lesions, tiles }: InferResult): HTMLElement {
  const rows = STRUCTURES.flatMap((structure) => {
    const found = lesions?.[structure];
    if (!found) return [];
    return [
      element(
        'tr',
        {},
        element(
          'th',
          { scope: 'row' },
          element('span', { class: 'swatch photo', 'data-lesion': structure }),
          found.name,
        ),
        element('td', { class: 'number' }, found.pixels.toLocaleString('en')),
        element('td', { class: 'number' }, percent(found.share, 2)),
        element('td', { class: 'number' }, String(found.regions)),
      ),
    ];
  });
  const head = ['Structure', 'Pixels', 'Of the frame', 'Regions'].map((text, index) =>
    element('th', { scope: 'col', class: index === 0 ? '' : 'number' }, text),
  );
  return element(
    'div',
    {},
    element('h3', {}, 'Areas'),
    element(
      'div',
      { class: 'scroll' },
      element('table', {}, element('thead', {}, element('tr', {}, ...head)), element('tbody', {}, ...rows)),
    ),
    ...(tiles > 0 ? [element('p', { class: 'note' }, `From ${tiles} tiles.`)] : []),
  );
}

function pairs(facts: Readonly<Record<string, string>>): HTMLElement {
  return element(
    'dl',
    { class: 'pairs' },
    ...Object.entries(facts).map(([name, value]) =>
      element('div', {}, element('dt', {}, name), element('dd', {}, value)),
    ),
  );
}

/** What the network was trained on, as it stands after a heading that says so. */
export const trainedOn = ({ trainingData }: ModelFolderCard): string => trainingData.replace(/^Trained on /, '');

/** The model card. */
export function cardFacts(card: ModelFolderCard, { facts }: OpenedModel): HTMLElement[] {
  const step = facts.step === null ? '' : `, step ${facts.step}${facts.averaged ? ', averaged weights' : ''}`;
  return [
    element('p', {}, card.description),
    element('p', {}, element('strong', {}, 'Trained on: '), trainedOn(card)),
    element('p', {}, element('strong', {}, 'Not for: '), card.notIntendedFor),
    element('ul', {}, ...card.limits.map((limit) => element('li', {}, limit))),
    ...(card.figures.length > 0
      ? [
          pairs(
            Object.fromEntries(
              card.figures.map(({ name, value, cases }) => [name, `${value.toFixed(3)} (${cases} test images)`]),
            ),
          ),
        ]
      : []),
    element('p', { class: 'note' }, `Run ${facts.name}${step}, exported by gmtl ${facts.gmtl}. ${card.licence}`),
  ];
}
