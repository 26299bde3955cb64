import { toNumber } from '../../../bson/numbers.js';
import { compareCodePoints } from '../../../bson/order.js';
import { type BsonType, isInt32, isNumeric, typeOf } from '../../../bson/values.js';
import { DatabaseError, fail } from '../../../errors.js';
import { compileRegExp, isRegExp, type RegExpSource, toRegExpSource } from '../../regular-expression.js';
import { compile, type OperatorCompiler } from '../compiler.js';
import { convertToString } from './convert.js';
import {
  ANY_NUMBER,
  defineNamed,
  defineOperator,
  ensureIndex,
  isNullish,
  type OperatorEntry,
  readParameters,
} from './define.js';

const ensureString = (value: unknown, code: number, what: string): string =>
  typeof value === 'string' ? value : fail(`Location${code}`, `${what} must be a string, found: ${typeOf(value)}`);

const ensureNumber = (value: unknown, code: number, what: string): number =>
  isNumeric(value)
    ? toNumber(value)
    : fail(`Location${code}`, `${what} must be a numeric type, found: ${typeOf(value)}`);

const TEXT_TYPES: ReadonlySet<BsonType> = new Set(['string', 'int', 'long', 'double', 'decimal', 'date']);

/** The text of an operand: numbers and dates as text, null as the empty string. */
function toText(value: unknown): string {
  if (isNullish(value)) return '';
  const type = typeOf(value);
  if (TEXT_TYPES.has(type)) return convertToString(value);
  return fail('Location16007', `can't convert from BSON type ${type} to String`);
}

/** Like mongod, which changes the case of ASCII letters alone. */
const toLower = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
const toUpper = (text: string): string => text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());

function concat(values: readonly unknown[]): unknown {
  let text = '';
  for (const value of values) {
    if (isNullish(value)) return null;
    if (typeof value !== 'string') return fail('Location16702', `$concat only supports strings, not ${typeOf(value)}`);
    text += value;
  }
  return text;
}

const isContinuationByte = (byte = 0): boolean => (byte & 0xc0) === 0x80;

function substringOfBytes(name: string, [value, from, count]: unknown[]): string {
  const bytes = Buffer.from(toText(value));
  const start = Math.trunc(ensureNumber(from, 16034, `${name}: starting index`));
  const length = Math.trunc(ensureNumber(count, 16035, `${name}: length`));
  if (start < 0) return fail('Location50752', `${name}: starting index must be non-negative (got: ${start})`);
  const end = length < 0 ? bytes.length : Math.min(start + length, bytes.length);
  if (isContinuationByte(bytes[start]))
    return fail('Location28656', `${name}: Invalid range, starting index is a UTF-8 continuation byte.`);
  if (isContinuationByte(bytes[end]))
    return fail('Location28657', `${name}: Invalid range, ending index is in the middle of a UTF-8 character.`);
  return bytes.toString('utf8', start, end);
}

function substringOfPoints([value, from, count]: unknown[]): string {
  const text = toText(value);
  const start = ensureNumber(from, 34450, '$substrCP: starting index');
  if (!isInt32(start + 0)) return fail('Location34451', '$substrCP: starting index must be a 32-bit integer');
  const length = ensureNumber(count, 34452, '$substrCP: length');
  if (!isInt32(length + 0)) return fail('Location34453', '$substrCP: length must be a 32-bit integer');
  if (length < 0) return fail('Location34454', '$substrCP: length must be a nonnegative integer.');
  if (start < 0) return fail('Location34455', '$substrCP: the starting index must be nonnegative integer.');
  return [...text].slice(start, start + length).join('');
}

/** How `$indexOfBytes` and `$indexOfCP` count, and the codes for arguments that are no strings. */
interface Search {
  readonly name: string;
  readonly codes: readonly [number, number];
  readonly split: (text: string) => readonly unknown[];
  readonly count: (text: string) => number;
}

const BYTES: Search = {
  name: '$indexOfBytes',
  codes: [40091, 40092],
  split: (text) => [...Buffer.from(text)],
  count: (text) => Buffer.byteLength(text),
};

const POINTS: Search = {
  name: '$indexOfCP',
  codes: [40093, 40094],
  split: (text) => [...text],
  count: (text) => [...text].length,
};

function indexOf({ name, codes, split, count }: Search, values: unknown[]): unknown {
  const [value, part, from, to] = values;
  if (isNullish(value)) return null;
  const text = ensureString(value, codes[0], `The first argument of ${name}`);
  const wantedText = ensureString(part, codes[1], `The second argument of ${name}`);
  if (values.length === 2) {
    const index = text.indexOf(wantedText);
    return index <= 0 ? index : count(text.slice(0, index));
  }
  const units = split(text);
  const wanted = split(wantedText);
  const start = ensureIndex(name, from, 'starting index');
  const end = values.length === 3 ? units.length : Math.min(ensureIndex(name, to, 'ending index'), units.length);
  for (let index = start; index + wanted.length <= end; index += 1) {
    if (wanted.every((unit, offset) => units[index + offset] === unit)) return index;
  }
  return -1;
}

const WHITESPACE = new Set(
  '\0\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a',
);

function createTrim(name: string, { isLeft, isRight }: { isLeft: boolean; isRight: boolean }) {
  return function trimText({ input, chars }: Record<string, unknown>): unknown {
    if (isNullish(input)) return null;
    const points = [...ensureString(input, 50699, `The input of ${name}`)];
    if (chars === null) return null;
    const set = chars === undefined ? WHITESPACE : new Set(ensureString(chars, 50700, `The chars of ${name}`));
    let start = 0;
    let end = points.length;
    while (isLeft && start < end && set.has(points[start] as string)) start += 1;
    while (isRight && end > start && set.has(points[end - 1] as string)) end -= 1;
    return points.slice(start, end).join('');
  };
}

const TRIM: { required: ['input']; optional: ['chars'] } = { required: ['input'], optional: ['chars'] };
const REPLACE: { required: ['input', 'find', 'replacement']; optional: [] } = {
  required: ['input', 'find', 'replacement'],
  optional: [],
};

function createReplace(name: string, isAll: boolean) {
  return function replaceText({ input, find, replacement }: Record<string, unknown>): unknown {
    const text = isNullish(input) ? null : ensureString(input, 51746, `The input of ${name}`);
    const wanted = isNullish(find) ? null : ensureString(find, 51745, `The 'find' of ${name}`);
    const next = isNullish(replacement) ? null : ensureString(replacement, 51744, `The replacement of ${name}`);
    if (text === null || wanted === null || next === null) return null;
    return isAll ? text.replaceAll(wanted, () => next) : text.replace(wanted, () => next);
  };
}

/** Defines a regular expression operator. Each distinct expression is compiled once. */
function defineRegExp(
  name: string,
  apply: (expression: RegExp, input: string) => unknown,
  whenNull: unknown,
): OperatorEntry {
  const compiler: OperatorCompiler = (operand, context) => {
    const parameters = readParameters(name, operand, { required: ['input', 'regex'], optional: ['options'] });
    const input = compile(parameters.input, context);
    const regex = compile(parameters.regex, context);
    const options = compile(parameters.options, context);
    const cache = new Map<string, RegExp>();
    return function evaluateRegExp(scope) {
      const value = input(scope);
      const text = isNullish(value) ? null : ensureString(value, 51104, `The input of ${name}`);
      const source = toSource(name, regex(scope), options(scope));
      if (text === null || source === undefined) return whenNull;
      const key = `${source.options}/${source.pattern}`;
      const expression = cache.get(key) ?? compileSource(source, name);
      cache.set(key, expression);
      return apply(expression, text);
    };
  };
  return [name, compiler];
}

function compileSource(source: RegExpSource, name: string): RegExp {
  for (const [part, code] of [[source.pattern, 51109] as const, [source.options, 51110] as const]) {
    if (part.includes('\0'))
      fail(`Location${code}`, `${name}: regular expression cannot contain an embedded null byte`);
  }
  try {
    return compileRegExp(source, name);
  } catch (error) {
    // In a filter the same failure has another code.
    const isInvalid = error instanceof DatabaseError && error.codeName === 'Location51091';
    if (isInvalid) return fail('Location51111', error.message);
    throw error;
  }
}

/** The pattern and options of a regular expression; `undefined` when it is null. */
function toSource(name: string, pattern: unknown, options: unknown): RegExpSource | undefined {
  const flags = isNullish(options) ? '' : ensureString(options, 51106, `The options of ${name}`);
  if (isRegExp(pattern)) {
    const source = toRegExpSource(pattern);
    if (source.options !== '' && flags !== '')
      return fail('Location51107', `${name}: found regex option(s) specified in both 'regex' and 'option' fields`);
    return { pattern: source.pattern, options: source.options || flags };
  }
  if (isNullish(pattern)) return undefined;
  return { pattern: ensureString(pattern, 51105, `The regex of ${name}`), options: flags };
}

const toMatch = (match: RegExpMatchArray): unknown => ({
  match: match[0],
  idx: [...(match.input ?? '').slice(0, match.index)].length,
  captures: match.slice(1).map((capture) => capture ?? null),
});

const globally = (expression: RegExp): RegExp => new RegExp(expression.source, `${expression.flags}g`);

/** String operators. */
export const stringOperators: readonly OperatorEntry[] = [
  defineOperator('$concat', ANY_NUMBER, concat),
  defineOperator('$toLower', 1, ([value]) => toLower(toText(value))),
  defineOperator('$toUpper', 1, ([value]) => toUpper(toText(value))),
  defineOperator('$strcasecmp', 2, ([left, right]) =>
    Math.sign(compareCodePoints(toUpper(toText(left)), toUpper(toText(right)))),
  ),
  defineOperator('$strLenBytes', 1, ([value]) =>
    Buffer.byteLength(ensureString(value, 34473, 'The argument of $strLenBytes')),
  ),
  defineOperator('$strLenCP', 1, ([value]) => [...ensureString(value, 34471, 'The argument of $strLenCP')].length),
  defineOperator('$substr', 3, (values) => substringOfBytes('$substr', values)),
  defineOperator('$substrBytes', 3, (values) => substringOfBytes('$substrBytes', values)),
  defineOperator('$substrCP', 3, substringOfPoints),
  defineOperator('$indexOfBytes', { min: 2, max: 4 }, (values) => indexOf(BYTES, values)),
  defineOperator('$indexOfCP', { min: 2, max: 4 }, (values) => indexOf(POINTS, values)),
  defineOperator('$split', 2, ([value, separator]) => {
    if (isNullish(value) || isNullish(separator)) return null;
    const text = ensureString(value, 40085, 'The first argument of $split');
    const by = ensureString(separator, 40086, 'The separator of $split');
    return by === '' ? fail('Location40087', '$split requires a non-empty separator') : text.split(by);
  }),
  defineNamed('$trim', TRIM, createTrim('$trim', { isLeft: true, isRight: true })),
  defineNamed('$ltrim', TRIM, createTrim('$ltrim', { isLeft: true, isRight: false })),
  defineNamed('$rtrim', TRIM, createTrim('$rtrim', { isLeft: false, isRight: true })),
  defineNamed('$replaceOne', REPLACE, createReplace('$replaceOne', false)),
  defineNamed('$replaceAll', REPLACE, createReplace('$replaceAll', true)),
  defineRegExp('$regexMatch', (expression, input) => expression.test(input), false),
  defineRegExp(
    '$regexFind',
    (expression, input) => {
      const match = expression.exec(input);
      return match === null ? null : toMatch(match);
    },
    null,
  ),
  defineRegExp('$regexFindAll', (expression, input) => [...input.matchAll(globally(expression))].map(toMatch), []),
];
