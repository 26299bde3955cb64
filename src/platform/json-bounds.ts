import { invalid } from '../errors.js';

/** Bounds recursion in encoders, to prevent stack overflows. */
const DEPTH_MAX = 128;

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

/**
 * Rejects JSON whose parsed form would cost far more memory and time than its length suggests. Scans the text before it
 * is parsed. Does not check the syntax.
 *
 * @param elementsMax items of arrays and members of objects, in total
 * @throws GatewayError `VALIDATION_ERROR`
 */
export function ensureBoundedJson(text: string, elementsMax: number): void {
  let depth = 0;
  let elements = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) {
      index = endOfText(text, index);
    } else if (code === COMMA) {
      elements += 1;
    } else if (OPENING.has(code)) {
      elements += 1;
      depth += 1;
      if (depth > DEPTH_MAX) throw invalid('', `must not be nested deeper than ${DEPTH_MAX} levels`);
    } else if (CLOSING.has(code)) {
      depth -= 1;
    }
    if (elements > elementsMax) throw invalid('', `must not have more than ${elementsMax} elements`);
  }
}

/** The end of the string that starts with the quote at `start`. */
function endOfText(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return end;
  }
  return text.length;
}
