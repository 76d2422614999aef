/**
 * The first key that occurs twice within one object of a valid JSON text, or undefined. `JSON.parse` keeps the last of two silently, which
 * in a weights file would hide a tensor.
 */
export function findDuplicateKey(json: string): string | undefined {
  const objects: Set<string>[] = [];
  // Tokens: a string, together with the colon that makes it a key, or a brace. The text is known to be valid JSON.
  for (const [token, literal, colon] of json.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}]/g)) {
    if (token === '{') objects.push(new Set());
    else if (token === '}') objects.pop();
    else if (colon !== undefined) {
      const key = JSON.parse(literal) as string;
      const keys = objects[objects.length - 1];
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}
