import { Long } from 'bson';
import { toNumber } from '../../../bson/numbers.js';
import { isDocument, isNumeric, typeOf } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import { compile } from '../compiler.js';
import {
  addMonths,
  DAY_MS,
  dayOfYear,
  fromLocal,
  isFixedUnit,
  isMonthUnit,
  isoDayOfWeek,
  isoWeek,
  isoWeekYear,
  toDate,
  toLocal,
  UNIT_MONTHS,
  UNIT_MS,
  weekdayNumber,
  weekOfYear,
} from './calendar.js';
import { defineNamed, isNullish, type OperatorEntry } from './define.js';

/** An operator that reads a part of a date: `{ $year: date }` or `{ $year: { date, timezone } }`. */
const definePart = (name: string, read: (local: Date) => unknown): OperatorEntry => [
  name,
  (operand, context) => {
    const only = Array.isArray(operand) && operand.length === 1 ? operand[0] : operand;
    const isNamed = isDocument(only) && Object.hasOwn(only, 'date');
    const date = compile(isNamed ? only['date'] : only, context);
    const hasZone = isNamed && Object.hasOwn(only, 'timezone');
    const zone = compile(hasZone ? only['timezone'] : undefined, context);
    return function evaluatePart(scope) {
      const value = date(scope);
      const zoneName = zone(scope);
      if (isNullish(value) || (hasZone && isNullish(zoneName))) return null;
      return read(toLocal(toDate(value), zoneName));
    };
  },
];

function integer(name: string, value: unknown): number {
  const number = isNumeric(value) ? toNumber(value) : Number.NaN;
  return Number.isInteger(number)
    ? number
    : fail('Location40515', `${name} must evaluate to an integer, found ${typeOf(value)}`);
}

function ensureUnit(unit: unknown): string {
  if (typeof unit === 'string' && (isFixedUnit(unit) || isMonthUnit(unit))) return unit;
  return fail('FailedToParse', `unknown time unit value: ${String(unit)}`);
}

function createDateAdd(sign: 1 | -1) {
  return function addToDate({ startDate, unit, amount, timezone }: Record<string, unknown>): unknown {
    if (isNullish(startDate) || isNullish(unit) || isNullish(amount) || timezone === null) return null;
    const start = toDate(startDate);
    const by = sign * integer('amount', amount);
    const name = ensureUnit(unit);
    if (isMonthUnit(name)) return fromLocal(addMonths(toLocal(start, timezone), by * UNIT_MONTHS[name]), timezone);
    const length = isFixedUnit(name) ? UNIT_MS[name] : 0;
    // Days are calendar days in the time zone; an hour always has 60 minutes.
    if (length >= DAY_MS) return fromLocal(toLocal(start, timezone).getTime() + by * length, timezone);
    return new Date(start.getTime() + by * length);
  };
}

/** The number of months since year 0. */
const monthNumber = (date: Date): number => date.getUTCFullYear() * 12 + date.getUTCMonth();

/** The number of the week since 1970-01-01, which was a Thursday. */
const weekNumber = (local: number, firstDay: number): number =>
  Math.floor((Math.floor(local / DAY_MS) + 4 - firstDay) / 7);

function dateDiff({ startDate, endDate, unit, timezone, startOfWeek }: Record<string, unknown>): unknown {
  if (isNullish(startDate) || isNullish(endDate) || isNullish(unit) || timezone === null) return null;
  const name = ensureUnit(unit);
  const start = toLocal(toDate(startDate), timezone);
  const end = toLocal(toDate(endDate), timezone);
  if (isMonthUnit(name)) {
    const months = UNIT_MONTHS[name];
    return Long.fromNumber(Math.floor(monthNumber(end) / months) - Math.floor(monthNumber(start) / months));
  }
  if (name === 'week') {
    const firstDay = weekdayNumber(startOfWeek);
    return Long.fromNumber(weekNumber(end.getTime(), firstDay) - weekNumber(start.getTime(), firstDay));
  }
  const length = isFixedUnit(name) ? UNIT_MS[name] : 1;
  return Long.fromNumber(Math.floor(end.getTime() / length) - Math.floor(start.getTime() / length));
}

/** The reference date of the bins of `$dateTrunc`. */
const REFERENCE = Date.UTC(2000, 0, 1);

function dateTrunc({ date, unit, binSize, timezone, startOfWeek }: Record<string, unknown>): unknown {
  if (isNullish(date) || isNullish(unit) || binSize === null || timezone === null) return null;
  const name = ensureUnit(unit);
  const size = binSize === undefined ? 1 : integer('binSize', binSize);
  if (size < 1)
    return fail('Location5439017', `$dateTrunc requires 'binSize' to be greater than 0, but got value ${size}`);
  const local = toLocal(toDate(date), timezone);
  if (isMonthUnit(name)) {
    const bin = size * UNIT_MONTHS[name];
    const months = Math.floor((monthNumber(local) - 24_000) / bin) * bin;
    return fromLocal(Date.UTC(2000, months, 1), timezone);
  }
  const bin = size * (isFixedUnit(name) ? UNIT_MS[name] : 1);
  // Weeks count from the first matching weekday on or after 2000-01-01, a Saturday.
  const reference = name === 'week' ? REFERENCE + ((weekdayNumber(startOfWeek) + 1) % 7) * DAY_MS : REFERENCE;
  return fromLocal(reference + Math.floor((local.getTime() - reference) / bin) * bin, timezone);
}

function dateFromParts(parts: Record<string, unknown>): unknown {
  for (const value of Object.values(parts)) if (isNullish(value)) return null;
  const part = (name: string, standard: number): number =>
    parts[name] === undefined ? standard : integer(`'${name}'`, parts[name]);
  const time =
    part('hour', 0) * UNIT_MS.hour +
    part('minute', 0) * UNIT_MS.minute +
    part('second', 0) * UNIT_MS.second +
    part('millisecond', 0);
  if (parts['isoWeekYear'] === undefined && parts['year'] === undefined) {
    return fail('Location40516', "$dateFromParts requires either 'year' or 'isoWeekYear' to be present");
  }
  const day =
    parts['isoWeekYear'] === undefined
      ? Date.UTC(part('year', 0), part('month', 1) - 1, part('day', 1))
      : isoDay(part('isoWeekYear', 0), part('isoWeek', 1), part('isoDayOfWeek', 1));
  return fromLocal(day + time, parts['timezone']);
}

function isoDay(year: number, week: number, weekday: number): number {
  // 4 January is always in week 1.
  const fourth = new Date(Date.UTC(year, 0, 4));
  return fourth.getTime() + ((week - 1) * 7 + weekday - isoDayOfWeek(fourth)) * DAY_MS;
}

const timeParts = (local: Date): Record<string, number> => ({
  hour: local.getUTCHours(),
  minute: local.getUTCMinutes(),
  second: local.getUTCSeconds(),
  millisecond: local.getUTCMilliseconds(),
});

function dateToParts({ date, timezone, iso8601 }: Record<string, unknown>): unknown {
  if (isNullish(date) || timezone === null || iso8601 === null) return null;
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

const ADD: { required: ['startDate', 'unit', 'amount']; optional: ['timezone'] } = {
  required: ['startDate', 'unit', 'amount'],
  optional: ['timezone'],
};

/** Operators that read parts of dates and calculate with dates. */
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
  defineNamed('$dateAdd', ADD, createDateAdd(1)),
  defineNamed('$dateSubtract', ADD, createDateAdd(-1)),
  defineNamed(
    '$dateDiff',
    { required: ['startDate', 'endDate', 'unit'], optional: ['timezone', 'startOfWeek'] },
    dateDiff,
  ),
  defineNamed(
    '$dateTrunc',
    { required: ['date', 'unit'], optional: ['binSize', 'timezone', 'startOfWeek'] },
    dateTrunc,
  ),
  defineNamed(
    '$dateFromParts',
    {
      required: [],
      optional: [
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
      ],
    },
    dateFromParts,
  ),
  defineNamed('$dateToParts', { required: ['date'], optional: ['timezone', 'iso8601'] }, dateToParts),
];
