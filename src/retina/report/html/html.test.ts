/** Tier: no adapter. Text is escaped in pages. */
import { describe, expect, it } from 'vitest';
import { escapeHtml, html, jsonBlock, trusted } from './html.ts';

describe('html', () => {
  it('escapes what is put into text and attributes, and keeps what is HTML already', () => {
    const name = `<b a="x" b='y'>&\`</b>`;
    expect(html`<p title="${name}">${name}</p>`.text).toBe(
      '<p title="&#60;b a=&#34;x&#34; b=&#39;y&#39;&#62;&#38;&#96;&#60;/b&#62;">&#60;b a=&#34;x&#34; b=&#39;y&#39;&#62;&#38;&#96;&#60;/b&#62;</p>',
    );
    expect(html`${html`<i>${'<'}</i>`}${trusted('<hr>')}`.text).toBe('<i>&#60;</i><hr>');
  });

  it('joins lists and writes nothing for what is absent, but writes 0', () => {
    expect(html`${['a', [html`<b></b>`, '&']]}|${null}${undefined}${false}|${0}`.text).toBe('a<b></b>&#38;||0');
  });

  it('replaces control characters, which HTML forbids', () => {
    expect(escapeHtml('a\u0000b\u001bc\nd')).toBe('a\ufffdb\ufffdc\nd');
  });
});

describe('jsonBlock', () => {
  it('cannot be ended by its content and reads back as it was', () => {
    const value = { name: '</script><!-- \u2028', list: [1, 'x'] };
    const { text } = jsonBlock('data', value);
    const content = text.slice(text.indexOf('>') + 1, text.lastIndexOf('</script>'));
    expect(content).not.toMatch(/[<\u2028]/);
    expect(JSON.parse(content)).toEqual(value);
  });

  it('writes null for NaN and infinities', () => {
    expect(jsonBlock('data', [Number.NaN, Number.POSITIVE_INFINITY, 1]).text).toContain('[null,null,1]');
  });
});
