/** Builds HTML in which text from users is always escaped. */

/**
 * Text that is safe to stand in an HTML page. Only {@link html} and {@link trusted} make it, so that a plain string can never
 * get into a page unescaped.
 */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

/** What a placeholder of {@link html} may hold. Nothing is written for null, undefined and false. */
export type Insert = Html | string | number | null | undefined | false | readonly Insert[];

/**
 * Tagged template: strings put into it are escaped for text and for attributes in double quotes; `Html` is not; lists are
 * joined. Placeholders belong in text or quoted attribute values only, not into tag names, unquoted values, scripts or styles.
 */
export function html(parts: TemplateStringsArray, ...inserts: readonly Insert[]): Html {
  return new Html(
    parts.map((part, index) => part + (index < inserts.length ? insertText(inserts[index]) : '')).join(''),
  );
}

/** Marks text as HTML that was escaped already or comes from this package. Never call it with text that comes from a user. */
export function trusted(text: string): Html {
  return new Html(text);
}

function insertText(insert: Insert): string {
  if (insert === null || insert === undefined || insert === false) return '';
  if (insert instanceof Html) return insert.text;
  if (typeof insert === 'object') return insert.map(insertText).join('');
  return escapeHtml(String(insert));
}

/**
 * Escapes text for HTML text and quoted attributes. Control characters that HTML forbids become the replacement character: a
 * file name may hold them.
 */
export function escapeHtml(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, '\ufffd')
      .replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`)
  );
}

/**
 * A JSON value as a data block that the page's scripts read by its id. NaN and infinities become null. `<` is escaped, so that
 * neither `</script>` nor `<!--` in a value can end the block.
 */
export function jsonBlock(id: string, value: unknown): Html {
  const text = JSON.stringify(value, (_, one: unknown) =>
    typeof one === 'number' && !Number.isFinite(one) ? null : one,
  )
    .replaceAll('<', '\\u003c')
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029');
  return html`<script type="application/json" id="${id}">${trusted(text)}</script>`;
}
