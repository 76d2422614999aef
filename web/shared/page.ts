/** What every page does at its start: works offline from then on, and says what goes wrong. */
import { element } from './elements.ts';
import type { Failure } from './failure.ts';

/** Lets the pages work without a network from the next visit on. */
export function startOffline(): void {
  if (!('serviceWorker' in navigator)) return;
  // Private windows refuse it; the page then works as long as it is open.
  navigator.serviceWorker.register('serviceWorker.js').catch(() => undefined);
}

/** Puts a failure into a box of the page, in place of what stood there, and what comes next: a sentence, or another try that the visitor may begin. */
export function showFailure(box: HTMLElement, failure: Failure, next: string | (() => void)): void {
  const { title, text } = plainWords(failure);
  box.replaceChildren(
    element(
      'div',
      { class: 'warning', role: 'alert' },
      element('p', {}, element('strong', {}, title)),
      element('p', {}, text),
      ...(text === failure.message ? [] : [element('p', { class: 'note' }, `The engine says: ${failure.message}`)]),
      typeof next === 'string'
        ? element('p', {}, next)
        : element('p', {}, element('button', { type: 'button', click: next }, 'Try again')),
    ),
  );
}

/** A failure as a visitor can use it: the engine's own words are for those who program it. */
export function plainWords({ code, message }: Failure): { readonly title: string; readonly text: string } {
  const [title, text = message] = WORDS[code] ?? ['Something went wrong'];
  return { title, text };
}

const WORDS: Readonly<Record<string, readonly [title: string, text?: string]>> = {
  'adapter/no-webgpu': ['No WebGPU here'],
  'adapter/none': ['No graphics adapter'],
  'gpu/device-lost': [
    'The graphics device was lost',
    'The browser took it away: its driver was restarted or updated, the computer slept, or one computation took too long.',
  ],
  'gpu/out-of-memory': [
    'Out of graphics memory',
    'The graphics adapter has no memory left. Close other tabs and programs that use it.',
  ],
  'gpu/buffer-too-large': [
    'Too large for this adapter',
    'This needs more graphics memory in one piece than the adapter gives.',
  ],
  'web/memory': [
    'Out of memory',
    'The browser has no memory left for this page. Close other tabs and programs, or take fewer or smaller photographs.',
  ],
};
