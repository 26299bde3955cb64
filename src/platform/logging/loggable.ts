/** Longest text in a field of a log line, in characters. */
const TEXT_MAX = 1000;
/** Longest text of an error, which has its stack. */
const ERROR_TEXT_MAX = 8000;
/** Items of a list, and levels of nesting, that are logged. */
const ITEMS_MAX = 100;
const DEPTH_MAX = 4;

/**
 * Characters that change how a terminal or an editor shows a line: C0 and C1 controls, line and paragraph separators,
 * direction marks, the byte order mark, and halves of surrogate pairs.
 */
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is to be found
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

const toEscape = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** A text as it can be shown anywhere: without control characters, and of bounded length. */
export function toSafeText(text: string, maxLength: number = TEXT_MAX): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  return cut.replace(UNSAFE, toEscape);
}

/** A text of an error, whose lines are kept. */
export const toSafeLines = (text: string): string =>
  text
    .slice(0, ERROR_TEXT_MAX)
    .split('\n')
    .map((line) => toSafeText(line, ERROR_TEXT_MAX))
    .join('\n');

/** A value whose texts, and the names of its fields, are safe. Errors are left to the logger. */
export function toLoggable(value: unknown, depth: number = 0): unknown {
  if (typeof value === 'string') return toSafeText(value);
  if (value === null || typeof value !== 'object' || value instanceof Error || value instanceof Date) return value;
  if (depth >= DEPTH_MAX) return '…';
  if (Array.isArray(value)) return value.slice(0, ITEMS_MAX).map((item) => toLoggable(item, depth + 1));
  const fields = Object.entries(value).slice(0, ITEMS_MAX);
  return Object.fromEntries(fields.map(([name, field]) => [toSafeText(name), toLoggable(field, depth + 1)]));
}
