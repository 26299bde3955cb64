/** Characters that text does not hold: control characters but for white space, backspace and escape. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const NO_TEXT = /[\u0000-\u0007\u000e-\u001a\u001c-\u001f\u007f]/;

/** The text of a file that is text throughout, in UTF-8 or, with a byte order mark, in UTF-16; `undefined` for all others. */
export function decodeText(content: Uint8Array): string | undefined {
  const encoding = encodingOf(content);
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(content);
    return NO_TEXT.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

/** The first bytes of a file, each as one character. */
export const headOf = (content: Uint8Array): string => Buffer.from(content.subarray(0, 1024)).toString('latin1');

function encodingOf([first, second]: Uint8Array): string {
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  return first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';
}
