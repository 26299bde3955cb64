import { isDeepStrictEqual } from 'node:util';
import { ensureKnownFields, fail } from '../errors.js';
import { toNumber } from './numbers.js';
import { type Document, isNumeric } from './values.js';

/** How strings compare. `undefined` is the simple collation, which compares by code point. */
export interface Collation {
  readonly locale: string;
  /** 1 compares base letters, 2 also accents, 3 also case. */
  readonly strength: 1 | 2 | 3;
  /** Compares case at strengths 1 and 2, too. */
  readonly caseLevel: boolean;
  readonly caseFirst: 'off' | 'upper' | 'lower';
  /** Compares runs of digits by their numeric value. */
  readonly numericOrdering: boolean;
}

const KNOWN_OPTIONS: ReadonlySet<string> = new Set([
  'locale',
  'strength',
  'caseLevel',
  'caseFirst',
  'numericOrdering',
  'alternate',
  'maxVariable',
  'normalization',
  'backwards',
  'version',
]);

/**
 * Reads a collation document.
 * @returns `undefined` without a collation and for the locale `simple`
 * @throws DatabaseError TypeMismatch, BadValue, Location40414 or Location40415 when it is malformed or not supported
 */
export function parseCollation(spec: unknown): Collation | undefined {
  if (spec === undefined || spec === null) return undefined;
  if (typeof spec !== 'object')
    return fail('TypeMismatch', "BSON field 'collation' is the wrong type, expected type 'object'");
  const options = spec as Document;
  ensureKnownFields(options, KNOWN_OPTIONS, 'collation');
  const { locale } = options;
  if (Object.keys(options).length === 0) return undefined;
  if (typeof locale !== 'string')
    return fail('Location40414', "BSON field 'collation.locale' is missing but a required field");
  if (locale === 'simple') return undefined;
  if (!isKnownLocale(locale)) return fail('BadValue', `Field 'locale' is invalid in: { locale: "${locale}" }`);
  ensureSupported(options);
  return {
    locale: toLanguageTag(locale),
    strength: strengthOf(options['strength']),
    caseLevel: options['caseLevel'] === true,
    caseFirst: caseFirstOf(options['caseFirst']),
    numericOrdering: options['numericOrdering'] === true,
  };
}

/** Whether two collations compare strings the same way. */
export const isSameCollation = (left: Collation | undefined, right: Collation | undefined): boolean =>
  left === right || isDeepStrictEqual(left, right);

const toLanguageTag = (locale: string): string => locale.replace(/@.*$/, '').replaceAll('_', '-');

function isKnownLocale(locale: string): boolean {
  try {
    return Intl.Collator.supportedLocalesOf([toLanguageTag(locale)]).length > 0;
  } catch {
    return false;
  }
}

function strengthOf(value: unknown): Collation['strength'] {
  if (value === undefined) return 3;
  const strength = isNumeric(value) ? toNumber(value) : Number.NaN;
  if (strength === 1 || strength === 2 || strength === 3) return strength;
  return fail('BadValue', `collation strength ${String(value)} is not supported: use 1, 2 or 3`);
}

function caseFirstOf(value: unknown): Collation['caseFirst'] {
  if (value === undefined) return 'off';
  if (value === 'off' || value === 'upper' || value === 'lower') return value;
  return fail('BadValue', `Enumeration value '${String(value)}' for field 'collation.caseFirst' is not a valid value.`);
}

function ensureSupported(options: Document): void {
  if (options['alternate'] !== undefined && options['alternate'] !== 'non-ignorable') {
    fail('BadValue', "collation option 'alternate: shifted' is not supported");
  }
  if (options['backwards'] === true) fail('BadValue', "collation option 'backwards: true' is not supported");
}

/** The collation in the form that `listIndexes` and `listCollections` report. */
export const toCollationDocument = (collation: Collation): Document => ({
  locale: collation.locale.replaceAll('-', '_'),
  caseLevel: collation.caseLevel,
  caseFirst: collation.caseFirst,
  strength: collation.strength,
  numericOrdering: collation.numericOrdering,
  alternate: 'non-ignorable',
  maxVariable: 'punct',
  normalization: false,
  backwards: false,
  version: '57.1',
});

/**
 * The sort key of a string: keys compare by code unit as the collation compares the strings, and strings that are
 * equal under the collation have equal keys.
 *
 * `Intl.Collator` compares strings but provides no sort keys, which an index needs. The order of the letters is read
 * from `Intl.Collator` once per locale, for the alphabets that locales tailor most. The key consists of one level
 * each for base letters, accents and case. Comparisons use the same keys, so index order and sort order agree.
 */
export function sortKeyOf(text: string, collation: Collation): string {
  const weights = weightsOf(collation.locale);
  let primary = '';
  let secondary = '';
  let tertiary = '';
  const decomposed = text.normalize('NFKD');
  for (let index = 0; index < decomposed.length; ) {
    const digits = collation.numericOrdering ? digitRunAt(decomposed, index) : '';
    if (digits !== '') {
      primary += numericWeight(digits, weights);
      secondary += '\u0002';
      tertiary += '\u0002';
      index += digits.length;
      continue;
    }
    const character = String.fromCodePoint(decomposed.codePointAt(index) as number);
    index += character.length;
    if (isMark(character)) {
      secondary += character;
      continue;
    }
    const lower = character.toLowerCase();
    primary += weights.get(lower) ?? `\uf000${lower}`;
    secondary += '\u0002';
    tertiary += caseWeight(character, lower, collation.caseFirst);
  }
  const accents = collation.strength >= 2 ? `\u0001${secondary}` : '';
  const cases = collation.strength === 3 || collation.caseLevel ? `\u0001${tertiary}` : '';
  return primary + accents + cases;
}

const isMark = (character: string): boolean => character > '\u02ff' && /^\p{M}$/u.test(character);

function caseWeight(character: string, lower: string, caseFirst: Collation['caseFirst']): string {
  const isUpper = character !== lower;
  return (caseFirst === 'upper') === isUpper ? '\u0002' : '\u0003';
}

function digitRunAt(text: string, start: number): string {
  let end = start;
  while (end < text.length && text.charCodeAt(end) >= 48 && text.charCodeAt(end) <= 57) end += 1;
  return text.slice(start, end);
}

/** The weight of the digit 0, which places numbers between punctuation and letters, then the length, then the digits. */
function numericWeight(digits: string, weights: ReadonlyMap<string, string>): string {
  const significant = digits.replace(/^0+(?=\d)/, '');
  return `${weights.get('0') ?? ''}${String.fromCharCode(0x100 + Math.min(significant.length, 0xe000))}${significant}`;
}

const weightTables = new Map<string, ReadonlyMap<string, string>>();

/** Latin with its extensions, Greek, Cyrillic, and the punctuation and symbols of Latin-1. */
const WEIGHED_RANGES: readonly (readonly [number, number])[] = [
  [0x20, 0x7e],
  [0xa1, 0x24f],
  [0x370, 0x3ff],
  [0x400, 0x52f],
];

function weightsOf(locale: string): ReadonlyMap<string, string> {
  const known = weightTables.get(locale);
  if (known !== undefined) return known;
  const collator = new Intl.Collator(locale, { sensitivity: 'base' });
  const characters = new Set<string>();
  for (const [first, last] of WEIGHED_RANGES) {
    for (let code = first; code <= last; code += 1) {
      const character = String.fromCharCode(code).toLowerCase();
      if (character.normalize('NFKD') === character && !isMark(character)) characters.add(character);
    }
  }
  const sorted = [...characters].sort(collator.compare);
  const weights = new Map<string, string>();
  let weight = 0x10;
  let previous: string | undefined;
  for (const character of sorted) {
    if (previous !== undefined && collator.compare(previous, character) !== 0) weight += 1;
    weights.set(character, String.fromCharCode(weight));
    previous = character;
  }
  weightTables.set(locale, weights);
  return weights;
}
