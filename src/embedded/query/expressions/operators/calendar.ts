import { ObjectId, Timestamp } from 'bson';
import { typeOf } from '../../../bson/values.js';
import { fail } from '../../../errors.js';

/** A day in milliseconds. */
export const DAY_MS = 86_400_000;

/** The units of a fixed length, in milliseconds. */
export const UNIT_MS = {
  week: 7 * DAY_MS,
  day: DAY_MS,
  hour: 3_600_000,
  minute: 60_000,
  second: 1000,
  millisecond: 1,
} as const;

/** The units of whole months, in months. */
export const UNIT_MONTHS = { year: 12, quarter: 3, month: 1 } as const;

/** A unit of a fixed length. */
export type FixedUnit = keyof typeof UNIT_MS;

/** A unit of whole months. */
export type MonthUnit = keyof typeof UNIT_MONTHS;

/** Whether a unit has a fixed length. */
export const isFixedUnit = (unit: string): unit is FixedUnit => Object.hasOwn(UNIT_MS, unit);

/** Whether a unit consists of whole months. */
export const isMonthUnit = (unit: string): unit is MonthUnit => Object.hasOwn(UNIT_MONTHS, unit);

/** The date of a Date, an ObjectId or a Timestamp. @throws DatabaseError Location16006 for another value */
export function toDate(value: unknown): Date {
  if (value instanceof Date) return value;
  if (value instanceof ObjectId) return value.getTimestamp();
  if (value instanceof Timestamp) return new Date(value.getHighBitsUnsigned() * 1000);
  return fail('Location16006', `can't convert from BSON type ${typeOf(value)} to Date`);
}

const zoneFormats = new Map<string, Intl.DateTimeFormat>();

function zoneFormat(zone: string): Intl.DateTimeFormat {
  const known = zoneFormats.get(zone);
  if (known !== undefined) return known;
  try {
    const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
    zoneFormats.set(zone, format);
    return format;
  } catch {
    return fail('Location40485', `unrecognized time zone identifier: "${zone}"`);
  }
}

/** An offset as a client writes it. */
const OFFSET = /^([+-])(\d{2}):?(\d{2})?$/;

/** The offset that the name of a zone ends with; for times before standard time it has seconds. */
const NAMED_OFFSET = /([+-])(\d{2}):(\d{2})(?::(\d{2}))?$/;

/** Whether a time zone is that of UTC by its name. */
export const isUtc = (zone: unknown): boolean => zone === undefined || zone === 'UTC' || zone === 'GMT' || zone === 'Z';

/** The offset of a time zone (an Olson name or an offset) from UTC at a time, in milliseconds. */
export function zoneOffsetMs(zone: unknown, at: number): number {
  if (isUtc(zone)) return 0;
  if (typeof zone !== 'string')
    return fail('Location40517', `timezone must evaluate to a string, found ${typeOf(zone)}`);
  const match = OFFSET.exec(zone) ?? NAMED_OFFSET.exec(zoneName(zone, at));
  const [, sign, hours = '0', minutes = '0', seconds = '0'] = match ?? [];
  const offset = Number(hours) * UNIT_MS.hour + Number(minutes) * UNIT_MS.minute + Number(seconds) * UNIT_MS.second;
  return sign === '-' ? -offset : offset;
}

const zoneName = (zone: string, at: number): string =>
  zoneFormat(zone)
    .formatToParts(at)
    .find(({ type }) => type === 'timeZoneName')?.value ?? '';

/** The local time of a zone, in the UTC fields of a Date. */
export const toLocal = (date: Date, zone: unknown): Date =>
  new Date(date.getTime() + zoneOffsetMs(zone, date.getTime()));

/** The date whose local time in the zone is given in UTC fields. */
export function fromLocal(local: number, zone: unknown): Date {
  const guess = local - zoneOffsetMs(zone, local);
  // Near a daylight saving change the first guess can use the offset of the wrong side.
  return new Date(local - zoneOffsetMs(zone, guess));
}

/** A day as a time in UTC. Unlike `Date.UTC`, it takes the years before 100 as they are. */
export const utcDay = (year: number, month: number, day: number): number =>
  new Date(0).setUTCFullYear(year, month, day);

/** The day of the year; 1 January is day 1. */
export const dayOfYear = (date: Date): number =>
  Math.floor((startOfDay(date) - utcDay(date.getUTCFullYear(), 0, 1)) / DAY_MS) + 1;

const startOfDay = (date: Date): number => Math.floor(date.getTime() / DAY_MS) * DAY_MS;

/** The ISO day of the week: 1 is Monday, 7 is Sunday. */
export const isoDayOfWeek = (date: Date): number => date.getUTCDay() || 7;

/** The ISO week-numbering year: the year of the Thursday in the week of the date. */
export const isoWeekYear = (date: Date): number =>
  new Date(startOfDay(date) + (4 - isoDayOfWeek(date)) * DAY_MS).getUTCFullYear();

/** The ISO week number, from 1. */
export function isoWeek(date: Date): number {
  const thursday = new Date(startOfDay(date) + (4 - isoDayOfWeek(date)) * DAY_MS);
  return Math.floor((dayOfYear(thursday) - 1) / 7) + 1;
}

/** The week of the year. Weeks begin on Sunday; days before the first Sunday are in week 0. */
export const weekOfYear = (date: Date): number => Math.floor((dayOfYear(date) + 6 - date.getUTCDay()) / 7);

/** Adds months and keeps the day, or uses the last day of a shorter month. */
export function addMonths(date: Date, months: number): number {
  const year = date.getUTCFullYear();
  const month = date.getUTCMonth() + months;
  const lastDay = new Date(utcDay(year, month + 1, 0)).getUTCDate();
  const time = date.getTime() - startOfDay(date);
  return utcDay(year, month, Math.min(date.getUTCDate(), lastDay)) + time;
}

const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];

/** The number of a weekday from its name or the first three letters of the name; 0 is Sunday. */
export function weekdayNumber(name: unknown): number {
  if (name === undefined) return 0;
  if (typeof name !== 'string')
    return fail('Location5439015', `the parameter 'startOfWeek' must be a string, but got ${typeOf(name)}`);
  const text = name.toLowerCase();
  const found = WEEKDAYS.findIndex((day) => day === text || day.slice(0, 3) === text);
  return found === -1 ? fail('Location5439016', `value cannot be recognized as a day of a week: ${name}`) : found;
}

/** The time of the first day of an ISO week, moved by weekdays. */
export function isoDay(year: number, week: number, weekday: number): number {
  // 4 January is always in week 1.
  const fourth = new Date(utcDay(year, 0, 4));
  return fourth.getTime() + ((week - 1) * 7 + weekday - isoDayOfWeek(fourth)) * DAY_MS;
}
