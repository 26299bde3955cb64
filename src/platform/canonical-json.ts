/**
 * JSON with the keys of every object in one order, so that equal values have equal texts however they were written.
 * What JSON leaves out (`undefined`, functions) is left out here. Recursive: the value must not be nested too deeply.
 */
export function toCanonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => toCanonicalJson(item ?? null)).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  // Entries, not a sorted copy: assigning the key `__proto__` would lose it.
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => `${JSON.stringify(key)}:${toCanonicalJson(item)}`);
  return `{${entries.join(',')}}`;
}
