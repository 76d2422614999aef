/** How a path is written in a command that a person is to paste. */

/** The text as one word of the command line: as it is where a shell leaves it alone, else in quotes. */
export function shellWord(text: string, platform: NodeJS.Platform = process.platform): string {
  if (platform === 'win32') return /^[\w.:\\/@+=-]+$/.test(text) ? text : `"${text}"`;
  return /^[\w./@%+=:,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
