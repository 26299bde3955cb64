/** A JSON value. {@link token} creates placeholders for tokens that `JSON.stringify` cannot produce. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const TOKEN = /(?<!\\)"@token:(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)"/g;

/** A placeholder for a token that `JSON.stringify` never produces, such as `1e400` or `-0`. */
export const token = (text: string): string => `@token:${text}`;

/** Serializes a value, with its tokens. */
export const toText = (value: Json): string => JSON.stringify(value).replaceAll(TOKEN, '$1');

/** An object with own properties only, `__proto__` included. */
export const objectOf = (entries: readonly (readonly [string, Json])[]): Json => Object.fromEntries(entries);

/** Nested arrays. */
export function nested(levels: number): Json {
  let value: Json = [];
  for (let level = 1; level < levels; level += 1) value = [value];
  return value;
}
