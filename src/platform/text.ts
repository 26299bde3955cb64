/** What a part of a text costs of the room that there is. */
export type CostOf = (part: string) => number;

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/**
 * As much of a text as fits, well-formed, and cut between graphemes: no emoji and no accented letter is torn.
 * @param costOf at least 1 for each UTF-16 code unit; absent: exactly that
 */
export function cutText(text: string, max: number, costOf: CostOf = (part) => part.length): string {
  // A grapheme that reaches beyond this many code units cannot fit, so nothing behind them matters.
  const head = text.slice(0, max + 1);
  const isPairCut = /[\ud800-\udbff]$/.test(head);
  const wellFormed = toWellFormed(isPairCut ? text.slice(0, max + 2) : head);
  if (wellFormed.length <= max && costOf(wellFormed) <= max) return wellFormed;
  const parts = [...graphemes.segment(wellFormed)].map(({ segment }) => segment);
  const whole = take(parts, max, costOf);
  // One grapheme can have any length (a letter with a thousand accents).
  return whole === '' && max > 0 ? take([...wellFormed], max, costOf) : whole;
}

/** A text whose lone surrogates, which UTF-8 cannot express, are replaced by U+FFFD. */
export const toWellFormed = (text: string): string => text.replace(/\p{Surrogate}/gu, '\uFFFD');

/** The bytes of a text in UTF-8. */
export const utf8BytesOf: CostOf = (part) => Buffer.byteLength(part);

/** The bytes that a text takes within JSON in UTF-8, without the quotes around it. */
export const jsonBytesOf: CostOf = (part) => Buffer.byteLength(JSON.stringify(part)) - 2;

function take(parts: readonly string[], max: number, costOf: CostOf): string {
  let cost = 0;
  const end = parts.findIndex((part) => {
    cost += costOf(part);
    return cost > max;
  });
  return (end === -1 ? parts : parts.slice(0, end)).join('');
}
