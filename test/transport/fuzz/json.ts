/** A value that JSON can hold. Texts that {@link token} makes stand for tokens that no JavaScript value is written as. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const TOKEN = /(?<!\\)"@token:(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)"/g;

/** A token that `JSON.stringify` never writes, such as `1e400` or `-0`. */
export const token = (text: string): string => `@token:${text}`;

/** The JSON text of a value. */
export const toText = (value: Json): string => JSON.stringify(value).replaceAll(TOKEN, '$1');

/** An object whose keys are its own, also when one of them is `__proto__`. */
export const objectOf = (entries: readonly (readonly [string, Json])[]): Json => Object.fromEntries(entries);

/** Lists within lists. */
export function nested(levels: number): Json {
  let value: Json = [];
  for (let level = 1; level < levels; level += 1) value = [value];
  return value;
}
