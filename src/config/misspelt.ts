import { distance } from 'fastest-levenshtein';

/** Shorter names resemble too many others: only their case and underscores may differ. */
const LENGTH_MIN = 5;
/** From this length on, two characters may differ, so that two swapped ones count as well. */
const LONG = 8;

/**
 * The known name that was probably meant. The environment holds names of other programs too, so a name must be very
 * similar. `undefined`: none.
 */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const plain = toPlain(name);
  const same = known.find((one) => toPlain(one) === plain);
  if (same !== undefined) return same;
  const similar = known.filter((one) => distance(name, one) <= allowed(name, one));
  return similar.sort((left, right) => distance(name, left) - distance(name, right))[0];
}

const toPlain = (name: string): string => name.toUpperCase().replace(/[^A-Z0-9]/g, '');

function allowed(name: string, known: string): number {
  const length = Math.min(name.length, known.length);
  if (length < LENGTH_MIN) return 0;
  return length < LONG ? 1 : 2;
}
