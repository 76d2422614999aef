/** Makes text with names of others' files safe for a terminal. */

/** Characters that move the cursor, color, erase or reverse text: control characters but the line feed, and bidirectional overrides. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is for.
const UNSAFE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** The text with such characters written as `\\u001b`. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** As {@link printable}, in one line. */
export const printableLine = (text: string): string => printable(text).replaceAll('\n', '\\n');

/** As {@link printableLine}, of modest length, quotes and backslashes marked: a name within a foreign file, for a message. */
export const oneLine = (text: string): string => printable(JSON.stringify(text.slice(0, 100)).slice(1, -1));
