/** What every page does at its start: works offline from then on, and says what goes wrong. */
import { element } from './elements.ts';
import type { Failure } from './failure.ts';

/** Lets the pages work without a network from the next visit on. */
export function startOffline(): void {
  if (!('serviceWorker' in navigator)) return;
  // Private windows refuse it; the page then works as long as it is open.
  navigator.serviceWorker.register('serviceWorker.js').catch(() => undefined);
}

/** Puts a failure into a box of the page, in place of what stood there. `again` offers another try. */
export function showFailure(box: HTMLElement, { code, message }: Failure, again?: () => void): void {
  const title = TITLES[code] ?? 'Something went wrong';
  box.replaceChildren(
    element(
      'div',
      { class: 'warning', role: 'alert' },
      element('p', {}, element('strong', {}, title)),
      element('p', {}, message),
      ...(again ? [element('p', {}, element('button', { type: 'button', click: again }, 'Try again'))] : []),
    ),
  );
}

const TITLES: Readonly<Record<string, string>> = {
  'adapter/no-webgpu': 'No WebGPU here',
  'adapter/none': 'No graphics adapter',
  'gpu/device-lost': 'The graphics device was lost',
  'gpu/out-of-memory': 'Out of graphics memory',
  'gpu/buffer-too-large': 'Too large for this adapter',
};
