import { toWellFormed } from '#shared/utilities/well-formed.js';

/** The cost of a part of a text against a limit. */
export type CostOf = (part: string) => number;

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/**
 * Truncates a text to a limit, well-formed and between graphemes, so that emoji and accented letters stay whole.
 * @param costOf at least 1 per UTF-16 code unit; absent: exactly that
 */
export function cutText(text: string, max: number, costOf: CostOf = (part) => part.length): string {
  // A grapheme that extends beyond the limit does not fit, so the rest is irrelevant.
  const head = text.slice(0, max + 1);
  const isPairCut = /[\ud800-\udbff]$/.test(head);
  const wellFormed = toWellFormed(isPairCut ? text.slice(0, max + 2) : head);
  if (wellFormed.length <= max && costOf(wellFormed) <= max) return wellFormed;
  const parts = [...graphemes.segment(wellFormed)].map(({ segment }) => segment);
  const whole = take(parts, max, costOf);
  // A single grapheme can have any length (a letter with a thousand accents).
  return whole === '' && max > 0 ? take([...wellFormed], max, costOf) : whole;
}

/** The length of a text in UTF-8 bytes. */
export const utf8BytesOf: CostOf = (part) => Buffer.byteLength(part);

/** The length of a text as a JSON string in UTF-8 bytes, without quotes. */
export const jsonBytesOf: CostOf = (part) => Buffer.byteLength(JSON.stringify(part)) - 2;

function take(parts: readonly string[], max: number, costOf: CostOf): string {
  let cost = 0;
  const end = parts.findIndex((part) => {
    cost += costOf(part);
    return cost > max;
  });
  return (end === -1 ? parts : parts.slice(0, end)).join('');
}
