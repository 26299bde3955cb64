/** An object of a JSON document. */
export type Json = Readonly<Record<string, unknown>>;

/** Whether a value is an object with fields. */
export const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A field that is an object; otherwise one without fields. */
export function readRecord(value: unknown, name: string): Json {
  const field = isRecord(value) ? value[name] : undefined;
  return isRecord(field) ? field : {};
}

/** A field that is a text; otherwise an empty one. */
export function readText(value: unknown, name: string): string {
  const field = isRecord(value) ? value[name] : undefined;
  return typeof field === 'string' ? field : '';
}

/** References that lead to each other are followed this far. */
const STEPS_MAX = 8;

/** Follows `$ref` within a document. `undefined` when it leads to nothing. */
export function resolve(document: unknown, part: unknown): Json | undefined {
  let current = part;
  for (let step = 0; step < STEPS_MAX; step++) {
    if (!isRecord(current)) return undefined;
    const target = current['$ref'];
    if (typeof target !== 'string') return current;
    if (!target.startsWith('#/')) return undefined;
    current = target
      .slice(2)
      .split('/')
      .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
      .reduce<unknown>((inner, name) => (isRecord(inner) ? inner[name] : undefined), document);
  }
  return undefined;
}
