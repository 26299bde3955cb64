/** A text that was read as JSON: its value, or why it is none. */
export type Parsed = { readonly value: unknown; readonly error?: undefined } | { readonly error: string };

/** Reads JSON that a person has typed. An empty text is the value `undefined`. */
export function parseJson(text: string): Parsed {
  if (text.trim() === '') return { value: undefined };
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { error: `This is not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** JSON to read and to edit. `undefined` is an empty text. */
export const toPretty = (value: unknown): string => JSON.stringify(value, null, 2) ?? '';

/** JSON on one line, cut to `length` characters. */
export function toShort(value: unknown, length = 200): string {
  const text = JSON.stringify(value) ?? '';
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
