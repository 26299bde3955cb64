import { invalid } from '../errors.js';

/** Encoders recurse, and a stack overflow must stay the sender's own problem. */
const DEPTH_MAX = 128;

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

/**
 * Refuses JSON that costs far more memory and time than its length says: by its text, before anything is made of it.
 * Nothing is said about whether it is JSON at all.
 *
 * @param elementsMax items of lists and members of objects, together
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

/** Where the text ends that begins with the quote at `start`. */
function endOfText(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return end;
  }
  return text.length;
}
