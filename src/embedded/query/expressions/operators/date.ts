import { Long } from 'bson';
import { integerOf } from '../../../bson/numbers.js';
import { isDocument, typeOf } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import { compile, type OperatorCompiler } from '../compiler.js';
import {
  dayOfYear,
  fromLocal,
  isoDay,
  isoDayOfWeek,
  isoWeek,
  isoWeekYear,
  toDate,
  toLocal,
  UNIT_MS,
  utcDay,
  weekOfYear,
} from './calendar.js';
import { defineNamed, isNull, isNullish, type OperatorEntry } from './define.js';

/** An operator that reads a part of a date: `{ $year: date }` or `{ $year: { date, timezone } }`. */
const definePart = (name: string, read: (local: Date) => unknown): OperatorEntry => [
  name,
  (operand, context) => {
    const parameters = readPartParameters(name, operand);
    const date = compile(parameters.date, context);
    const hasZone = 'timezone' in parameters;
    const zone = compile(parameters.timezone, context);
    return function evaluatePart(scope) {
      const value = date(scope);
      if (isNullish(value)) return null;
      const start = toDate(value);
      const zoneName = zone(scope);
      return hasZone && isNullish(zoneName) ? null : read(toLocal(start, zoneName));
    };
  },
];

function readPartParameters(name: string, operand: unknown): { date: unknown; timezone?: unknown } {
  if (Array.isArray(operand) && operand.length !== 1) {
    fail('Location40536', `${name} accepts exactly one argument if given an array, but was given ${operand.length}`);
  }
  const only = Array.isArray(operand) ? operand[0] : operand;
  if (!isDocument(only) || Object.keys(only)[0]?.startsWith('$') === true) return { date: only };
  for (const key of Object.keys(only)) {
    if (key !== 'date' && key !== 'timezone') fail('Location40535', `unrecognized option to ${name}: "${key}"`);
  }
  if (!Object.hasOwn(only, 'date')) return fail('Location40539', `missing 'date' argument to ${name}`);
  return only as { date: unknown; timezone?: unknown };
}

const MAX_PART = 32_767;

/** The parts of a date that have bounds. */
const BOUNDED_PARTS: ReadonlySet<string> = new Set(['hour', 'minute', 'month', 'day', 'isoWeek', 'isoDayOfWeek']);

function partOf(parts: Record<string, unknown>, name: string, standard: number): number {
  const value = parts[name];
  if (value === undefined) return standard;
  const number = integerOf(value);
  if (number === undefined)
    return fail('Location40515', `'${name}' must evaluate to an integer, found ${typeOf(value)}`);
  if (BOUNDED_PARTS.has(name) && (number > MAX_PART || number < -MAX_PART - 1))
    return fail(
      'Location31034',
      `'${name}' must evaluate to a value in the range [-32768, 32767]; value ${number} is not in range`,
    );
  return number;
}

const ensureYear = (name: string, year: number, code: number): number =>
  year >= 1 && year <= 9999
    ? year
    : fail(`Location${code}`, `'${name}' must evaluate to an integer in the range 1 to 9999, found ${year}`);

function dateFromParts(parts: Record<string, unknown>): unknown {
  if (Object.values(parts).some(isNull)) return null;
  const part = (name: string, standard: number): number => partOf(parts, name, standard);
  const time =
    part('hour', 0) * UNIT_MS.hour +
    part('minute', 0) * UNIT_MS.minute +
    part('second', 0) * UNIT_MS.second +
    part('millisecond', 0);
  const day =
    parts['isoWeekYear'] === undefined
      ? utcDay(ensureYear('year', part('year', 1970), 40523), part('month', 1) - 1, part('day', 1))
      : isoDay(
          ensureYear('isoWeekYear', part('isoWeekYear', 1970), 31095),
          part('isoWeek', 1),
          part('isoDayOfWeek', 1),
        );
  return fromLocal(day + time, parts['timezone']);
}

/** Rejects parts of natural dates beside parts of ISO weeks. */
function ensureOneCalendar(operand: unknown): void {
  if (!isDocument(operand)) return;
  const has = (...names: string[]): boolean => names.some((name) => Object.hasOwn(operand, name));
  if (!has('year', 'isoWeekYear'))
    fail('Location40516', "$dateFromParts requires either 'year' or 'isoWeekYear' to be present");
  if (has('year') && has('isoWeekYear', 'isoWeek', 'isoDayOfWeek'))
    fail('Location40489', '$dateFromParts does not allow mixing natural dates with ISO dates');
  if (has('isoWeekYear') && has('month', 'day'))
    fail('Location40525', '$dateFromParts does not allow mixing ISO dates with natural dates');
}

const timeParts = (local: Date): Record<string, number> => ({
  hour: local.getUTCHours(),
  minute: local.getUTCMinutes(),
  second: local.getUTCSeconds(),
  millisecond: local.getUTCMilliseconds(),
});

function dateToParts({ date, timezone, iso8601 }: Record<string, unknown>): unknown {
  if (isNull(timezone) || isNull(iso8601)) return null;
  if (iso8601 !== undefined && typeof iso8601 !== 'boolean')
    return fail('Location40521', `iso8601 must evaluate to a bool, found ${typeOf(iso8601)}`);
  if (isNull(date)) return null;
  const local = toLocal(toDate(date), timezone);
  if (iso8601 === true) {
    return {
      isoWeekYear: isoWeekYear(local),
      isoWeek: isoWeek(local),
      isoDayOfWeek: isoDayOfWeek(local),
      ...timeParts(local),
    };
  }
  return { year: local.getUTCFullYear(), month: local.getUTCMonth() + 1, day: local.getUTCDate(), ...timeParts(local) };
}

const PARTS = [
  'year',
  'month',
  'day',
  'isoWeekYear',
  'isoWeek',
  'isoDayOfWeek',
  'hour',
  'minute',
  'second',
  'millisecond',
  'timezone',
] as const;

const [, compileParts] = defineNamed('$dateFromParts', { required: [], optional: PARTS }, dateFromParts);

const compileDateFromParts: OperatorCompiler = (operand, context) => {
  const evaluate = compileParts(operand, context);
  ensureOneCalendar(operand);
  return evaluate;
};

/** Operators that read parts of dates, and make dates of parts. */
export const dateOperators: readonly OperatorEntry[] = [
  definePart('$year', (local) => local.getUTCFullYear()),
  definePart('$month', (local) => local.getUTCMonth() + 1),
  definePart('$dayOfMonth', (local) => local.getUTCDate()),
  definePart('$dayOfWeek', (local) => local.getUTCDay() + 1),
  definePart('$dayOfYear', dayOfYear),
  definePart('$hour', (local) => local.getUTCHours()),
  definePart('$minute', (local) => local.getUTCMinutes()),
  definePart('$second', (local) => local.getUTCSeconds()),
  definePart('$millisecond', (local) => local.getUTCMilliseconds()),
  definePart('$week', weekOfYear),
  definePart('$isoWeek', isoWeek),
  definePart('$isoWeekYear', (local) => Long.fromNumber(isoWeekYear(local))),
  definePart('$isoDayOfWeek', isoDayOfWeek),
  ['$dateFromParts', compileDateFromParts],
  defineNamed('$dateToParts', { required: ['date'], optional: ['timezone', 'iso8601'] }, dateToParts),
];
