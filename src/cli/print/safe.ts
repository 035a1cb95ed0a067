/**
 * Text that somebody else chose, made harmless for a terminal: control
 * characters and those that reorder what is read become visible escapes.
 * Everything the CLI prints goes through here, except raw log and attach
 * streams, which belong to the container.
 *
 * Source: ECMA-48 (C0, C1); Unicode UAX #9 (bidirectional controls).
 */

/** Keeps lines and tabs; for messages of several lines. */
export function neutraliseText(text: string): string {
  return unsafe.test(text)
    ? text.replace(unsafeEach, (found) =>
        found === '\n' || found === '\t' ? found : escape(found),
      )
    : text;
}

/** One line without tabs; for a cell of a table. */
export function neutraliseCell(text: string): string {
  return unsafe.test(text) ? text.replace(unsafeEach, escape) : text;
}

/** JSON text with harmless strings; it stays the same JSON. */
export function neutraliseJson(json: string): string {
  return unsafe.test(json)
    ? json.replace(unsafeEach, (found) =>
        found === '\n' || found === '\t' ? found : unicodeEscape(found),
      )
    : json;
}

const unsafePattern =
  '[\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff]';
const unsafe = new RegExp(unsafePattern);
const unsafeEach = new RegExp(unsafePattern, 'g');

function escape(character: string): string {
  const code = character.charCodeAt(0);
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : unicodeEscape(character);
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
