/**
 * JSON with sorted object keys: equal values have equal texts. Omits what JSON omits (`undefined`, functions).
 * Recursive: bound the depth of the value first.
 */
export function toCanonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => toCanonicalJson(item ?? null)).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  // Uses entries instead of a sorted copy: assigning the key `__proto__` would lose it.
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => `${JSON.stringify(key)}:${toCanonicalJson(item)}`);
  return `{${entries.join(',')}}`;
}
