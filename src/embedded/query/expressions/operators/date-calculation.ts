import { Long, ObjectId, Timestamp } from 'bson';
import { integerOf } from '../../../bson/numbers.js';
import { typeOf } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import {
  addMonths,
  DAY_MS,
  type FixedUnit,
  fromLocal,
  isFixedUnit,
  isMonthUnit,
  type MonthUnit,
  toDate,
  toLocal,
  UNIT_MONTHS,
  UNIT_MS,
  utcDay,
  weekdayNumber,
  zoneOffsetMs,
} from './calendar.js';
import { defineNamed, isNull, type OperatorEntry } from './define.js';

function ensureUnit(name: string, unit: unknown): FixedUnit | MonthUnit {
  if (typeof unit !== 'string')
    return fail('Location5439013', `${name} requires 'unit' to be a string, but got ${typeOf(unit)}`);
  if (isFixedUnit(unit) || isMonthUnit(unit)) return unit;
  return fail('FailedToParse', `${name} parameter 'unit' value parsing failed: unknown time unit value: ${unit}`);
}

function ensureDate(value: unknown, code: number, what: string): Date {
  const isDate = value instanceof Date || value instanceof ObjectId || value instanceof Timestamp;
  return isDate ? toDate(value) : fail(`Location${code}`, `${what} must be a date, but got ${typeOf(value)}`);
}

function createDateAdd(name: string, sign: 1 | -1) {
  return function addToDate({ startDate, unit, amount, timezone }: Record<string, unknown>): unknown {
    if (isNull(startDate) || isNull(unit)) return null;
    const by = ensureUnit(name, unit);
    if (isNull(amount) || isNull(timezone)) return null;
    const start = ensureDate(startDate, 5166403, `the 'startDate' of ${name}`);
    const count = integerOf(amount);
    if (count === undefined) return fail('Location5166405', `${name} expects integer amount of time units`);
    const result = addUnits(start, sign * count, by, timezone);
    return Number.isNaN(result.getTime()) ? fail('Location5166406', `${name} overflowed`) : result;
  };
}

function addUnits(start: Date, count: number, unit: FixedUnit | MonthUnit, timezone: unknown): Date {
  if (isMonthUnit(unit)) return fromLocal(addMonths(toLocal(start, timezone), count * UNIT_MONTHS[unit]), timezone);
  // Days are calendar days in the time zone; an hour always has 60 minutes.
  return UNIT_MS[unit] >= DAY_MS
    ? fromLocal(toLocal(start, timezone).getTime() + count * UNIT_MS[unit], timezone)
    : new Date(start.getTime() + count * UNIT_MS[unit]);
}

/** The number of months since year 0. */
const monthNumber = (date: Date): number => date.getUTCFullYear() * 12 + date.getUTCMonth();

/** The number of the week since 1970-01-01, which was a Thursday. */
const weekNumber = (local: number, firstDay: number): number =>
  Math.floor((Math.floor(local / DAY_MS) + 4 - firstDay) / 7);

function dateDiff({ startDate, endDate, unit, timezone, startOfWeek }: Record<string, unknown>): unknown {
  if (isNull(startDate) || isNull(endDate) || isNull(unit)) return null;
  const name = ensureUnit('$dateDiff', unit);
  if (name === 'week' && isNull(startOfWeek)) return null;
  const firstDay = name === 'week' ? weekdayNumber(startOfWeek) : 0;
  if (isNull(timezone)) return null;
  const start = ensureDate(startDate, 5166307, "the 'startDate' of $dateDiff");
  const end = ensureDate(endDate, 5166307, "the 'endDate' of $dateDiff");
  if (name === 'millisecond') return Long.fromNumber(end.getTime() - start.getTime());
  const units = unitsBetween(toLocal(start, timezone), toLocal(end, timezone), name, firstDay);
  return Long.fromNumber(units - offsetChange({ start, end, timezone }, name));
}

/** The number of boundaries of a unit between two local times. */
function unitsBetween(start: Date, end: Date, unit: FixedUnit | MonthUnit, firstDay: number): number {
  if (isMonthUnit(unit)) {
    const months = UNIT_MONTHS[unit];
    return Math.floor(monthNumber(end) / months) - Math.floor(monthNumber(start) / months);
  }
  if (unit === 'week') return weekNumber(end.getTime(), firstDay) - weekNumber(start.getTime(), firstDay);
  const length = UNIT_MS[unit];
  return Math.floor(end.getTime() / length) - Math.floor(start.getTime() / length);
}

/** By how many hours, minutes or seconds the clock was set forward in between, which is no time that passed. */
function offsetChange(
  { start, end, timezone }: { start: Date; end: Date; timezone: unknown },
  unit: FixedUnit | MonthUnit,
): number {
  if (unit !== 'hour' && unit !== 'minute' && unit !== 'second') return 0;
  const change = zoneOffsetMs(timezone, end.getTime()) - zoneOffsetMs(timezone, start.getTime());
  return Math.trunc(change / UNIT_MS[unit]);
}

/** 2000-01-01 in the time zone, from which the bins of `$dateTrunc` count. */
const REFERENCE = Date.UTC(2000, 0, 1);
const REFERENCE_MONTH = 24_000;

function dateTrunc({ date, unit, binSize, timezone, startOfWeek }: Record<string, unknown>): unknown {
  if (isNull(date) || isNull(binSize)) return null;
  const size = binSize === undefined ? 1 : binSizeOf(binSize);
  if (isNull(unit)) return null;
  const name = ensureUnit('$dateTrunc', unit);
  if (name === 'week' && isNull(startOfWeek)) return null;
  const firstDay = name === 'week' ? weekdayNumber(startOfWeek) : 0;
  if (isNull(timezone)) return null;
  const start = ensureDate(date, 5166307, "the 'date' of $dateTrunc");
  const binAt = (distance: number): number => Math.floor(distance / size) * size;
  if (isMonthUnit(name)) {
    const months = UNIT_MONTHS[name];
    const distance = Math.floor((monthNumber(toLocal(start, timezone)) - REFERENCE_MONTH) / months);
    return fromLocal(utcDay(2000, binAt(distance) * months, 1), timezone);
  }
  const length = UNIT_MS[name];
  if (length >= DAY_MS) {
    // Weeks count from the first such weekday on or after 2000-01-01, which was a Saturday.
    const reference = name === 'week' ? REFERENCE + ((firstDay + 1) % 7) * DAY_MS : REFERENCE;
    const distance = Math.floor((toLocal(start, timezone).getTime() - reference) / length);
    return fromLocal(reference + binAt(distance) * length, timezone);
  }
  // Shorter bins have the same length on days when the clock is changed.
  const reference = fromLocal(REFERENCE, timezone).getTime();
  return new Date(reference + binAt(Math.floor((start.getTime() - reference) / length)) * length);
}

function binSizeOf(binSize: unknown): number {
  const size = integerOf(binSize);
  if (size === undefined)
    return fail(
      'Location5439017',
      `$dateTrunc requires 'binSize' to be a 64-bit integer, but got type ${typeOf(binSize)}`,
    );
  if (size > 0) return size;
  return fail('Location5439018', `$dateTrunc requires 'binSize' to be greater than 0, but got value ${size}`);
}

const ADD: { required: ['startDate', 'unit', 'amount']; optional: ['timezone'] } = {
  required: ['startDate', 'unit', 'amount'],
  optional: ['timezone'],
};

/** Operators that calculate with dates. */
export const dateCalculations: readonly OperatorEntry[] = [
  defineNamed('$dateAdd', ADD, createDateAdd('$dateAdd', 1)),
  defineNamed('$dateSubtract', ADD, createDateAdd('$dateSubtract', -1)),
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
];
