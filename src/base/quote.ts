/** Words of strangers inside a sentence: quoted, bounded, and harmless on a terminal. */

/** What JSON leaves as it is: DEL, the C1 controls, marks that turn or hide text. */
const TRICKY = /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** The text in quotes, cut after `maxChars` characters, control characters escaped. */
export function quoteText(text: string, maxChars = 200): string {
  const short = text.length > maxChars ? `${text.slice(0, maxChars)}...` : text;
  return JSON.stringify(short).replaceAll(TRICKY, escapeCharacter);
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
