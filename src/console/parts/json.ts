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

/** JSON to read and to edit; binary data is named. `undefined` is an empty text. */
export const toPretty = (value: unknown): string => JSON.stringify(value, nameBinary, 2) ?? '';

/** Characters of JSON that are shown on one line. */
const SHORT_MAX = 200;

/** JSON on one line, the end cut off; binary data is named. */
export function toShort(value: unknown): string {
  const text = JSON.stringify(value, nameBinary) ?? '';
  return text.length <= SHORT_MAX ? text : `${text.slice(0, SHORT_MAX - 1)}…`;
}

/** Bytes of binary data that are shown. */
const BYTES_SHOWN = 8;

/** JSON has no binary data: its size and its first bytes stand in for it. */
function nameBinary(_key: string, value: unknown): unknown {
  const bytes = toBytes(value);
  if (bytes === undefined) return value;
  const first = [...bytes.subarray(0, BYTES_SHOWN)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const more = bytes.length > BYTES_SHOWN ? ' …' : '';
  return `<binary, ${bytes.length} ${bytes.length === 1 ? 'byte' : 'bytes'}${first === '' ? '' : `: ${first}${more}`}>`;
}

function toBytes(value: unknown): Uint8Array | undefined {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : undefined;
}
