import { readFileSync } from 'node:fs';

/** Larger files are not read: a path can name any file by mistake. */
const BYTES_MAX = 1024 * 1024;

/** The text of a file without a byte order mark, or the reason why there is none. The reason never quotes the file. */
export type TextFile = { readonly text: string } | { readonly problem: string; readonly isMissing: boolean };

/** Reads a text file in UTF-8, or in UTF-16 with a byte order mark, which editors and shells of Windows write. */
export function readTextFile(path: string): TextFile {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    return { problem: `cannot be read: ${REASONS[code] ?? code}`, isMissing: code === 'ENOENT' };
  }
  if (bytes.length > BYTES_MAX) return { problem: `is larger than ${BYTES_MAX} bytes`, isMissing: false };
  try {
    return { text: decode(bytes) };
  } catch {
    return { problem: 'is not a text in UTF-8', isMissing: false };
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'the file does not exist (ENOENT)',
  EACCES: 'the user of this process has no permission (EACCES)',
  EISDIR: 'it is a directory (EISDIR)',
  ENOTDIR: 'a part of the path is not a directory (ENOTDIR)',
};

/** `TextDecoder` removes the mark. @throws TypeError for bytes that are no text */
function decode(bytes: Buffer): string {
  const encoding = bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : isBigEndian(bytes) ? 'utf-16be' : 'utf-8';
  const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
  if (text.includes('\0')) throw new TypeError('a text has no null character');
  return text;
}

const isBigEndian = (bytes: Buffer): boolean => bytes[0] === 0xfe && bytes[1] === 0xff;
