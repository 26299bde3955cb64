import { integerOf } from '../../../bson/numbers.js';
import { compareCodePoints } from '../../../bson/order.js';
import { typeOf } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import { compileRegExp, isRegExp, type RegExpSource, toRegExpSource } from '../../regular-expression.js';
import { compile, type OperatorCompiler } from '../compiler.js';
import { convertToString } from './convert.js';
import { ANY_NUMBER, defineNamed, defineOperator, isNullish, type OperatorEntry, readParameters } from './define.js';

const ensureString = (name: string, value: unknown): string =>
  typeof value === 'string'
    ? value
    : fail('Location34471', `${name} requires a string argument, found: ${typeOf(value)}`);

const ensureIndex = (name: string, value: unknown): number =>
  integerOf(value) ?? fail('Location16034', `${name}: starting index must be a numeric type`);

/** The text of an operand: numbers and dates as text, null as the empty string. */
const toText = (value: unknown): string => (isNullish(value) ? '' : convertToString(value));

function concat(values: readonly unknown[]): unknown {
  if (values.some(isNullish)) return null;
  return values
    .map((value) =>
      typeof value === 'string' ? value : fail('Location16702', `$concat only supports strings, not ${typeOf(value)}`),
    )
    .join('');
}

function substringOfBytes(name: string, [value, from, count]: unknown[]): string {
  const bytes = Buffer.from(toText(value));
  const start = ensureIndex(name, from);
  const length = ensureIndex(name, count);
  if (start < 0) return '';
  const end = length < 0 ? bytes.length : Math.min(start + length, bytes.length);
  const isInside = (position: number): boolean => ((bytes[position] ?? 0) & 0xc0) === 0x80;
  if (isInside(start))
    return fail('Location28656', `${name}: Invalid range, starting index is a UTF-8 continuation byte.`);
  if (isInside(end))
    return fail('Location28657', `${name}: Invalid range, ending index is in the middle of a UTF-8 character.`);
  return bytes.toString('utf8', start, end);
}

function substringOfPoints([value, from, count]: unknown[]): string {
  const start = ensureIndex('$substrCP', from);
  return [...toText(value)].slice(start, start + ensureIndex('$substrCP', count)).join('');
}

/** How `$indexOfBytes` and `$indexOfCP` count. */
interface Units {
  readonly split: (text: string) => readonly unknown[];
  readonly count: (text: string) => number;
}

const BYTES: Units = { split: (text) => [...Buffer.from(text)], count: (text) => Buffer.byteLength(text) };
const POINTS: Units = { split: (text) => [...text], count: (text) => [...text].length };

function indexOf(name: string, { split, count }: Units, [value, part, from, to]: unknown[]): unknown {
  if (isNullish(value)) return null;
  const text = ensureString(name, value);
  const wantedText = ensureString(name, part);
  if (from === undefined && to === undefined) {
    const index = text.indexOf(wantedText);
    return index <= 0 ? index : count(text.slice(0, index));
  }
  const units = split(text);
  const wanted = split(wantedText);
  const start = from === undefined ? 0 : ensureIndex(name, from);
  const end = Math.min(to === undefined ? units.length : ensureIndex(name, to), units.length);
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
    if (isNullish(input) || chars === null) return null;
    const set = chars === undefined ? WHITESPACE : new Set(ensureString(name, chars));
    const points = [...ensureString(name, input)];
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
    if (isNullish(input) || isNullish(find) || isNullish(replacement)) return null;
    const [text, wanted, next] = [ensureString(name, input), ensureString(name, find), ensureString(name, replacement)];
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
      const text = input(scope);
      const pattern = regex(scope);
      if (isNullish(text) || isNullish(pattern)) return whenNull;
      const source = toSource(name, pattern, options(scope));
      const key = `${source.options}/${source.pattern}`;
      const expression = cache.get(key) ?? compileRegExp(source, name);
      cache.set(key, expression);
      return apply(expression, ensureString(name, text));
    };
  };
  return [name, compiler];
}

function toSource(name: string, pattern: unknown, options: unknown): RegExpSource {
  if (!isNullish(options) && typeof options !== 'string')
    return fail('Location51106', `${name} needs 'options' to be of type string`);
  const source = isRegExp(pattern) ? toRegExpSource(pattern) : { pattern: ensureString(name, pattern), options: '' };
  return isNullish(options) ? source : { pattern: source.pattern, options };
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
  defineOperator('$toLower', 1, ([value]) => toText(value).toLowerCase()),
  defineOperator('$toUpper', 1, ([value]) => toText(value).toUpperCase()),
  defineOperator('$strcasecmp', 2, ([left, right]) =>
    Math.sign(compareCodePoints(toText(left).toUpperCase(), toText(right).toUpperCase())),
  ),
  defineOperator('$strLenBytes', 1, ([value]) => Buffer.byteLength(ensureString('$strLenBytes', value))),
  defineOperator('$strLenCP', 1, ([value]) => [...ensureString('$strLenCP', value)].length),
  defineOperator('$substr', 3, (values) => substringOfBytes('$substr', values)),
  defineOperator('$substrBytes', 3, (values) => substringOfBytes('$substrBytes', values)),
  defineOperator('$substrCP', 3, substringOfPoints),
  defineOperator('$indexOfBytes', { min: 2, max: 4 }, (values) => indexOf('$indexOfBytes', BYTES, values)),
  defineOperator('$indexOfCP', { min: 2, max: 4 }, (values) => indexOf('$indexOfCP', POINTS, values)),
  defineOperator('$split', 2, ([value, separator]) => {
    if (isNullish(value) || isNullish(separator)) return null;
    const by = ensureString('$split', separator);
    return by === ''
      ? fail('Location40087', '$split requires a non-empty separator')
      : ensureString('$split', value).split(by);
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
