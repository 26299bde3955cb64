import { ObjectId, Timestamp } from 'bson';
import { typeOf } from '../../../bson/values.js';
import { fail } from '../../../errors.js';

/** A day in milliseconds. */
export const DAY_MS = 86_400_000;

/** Milliseconds of the units whose length never changes. */
export const UNIT_MS = {
  week: 7 * DAY_MS,
  day: DAY_MS,
  hour: 3_600_000,
  minute: 60_000,
  second: 1000,
  millisecond: 1,
} as const;

/** Months of the units that have no fixed length. */
export const UNIT_MONTHS = { year: 12, quarter: 3, month: 1 } as const;

/** A unit whose length never changes. */
export type FixedUnit = keyof typeof UNIT_MS;

/** A unit of whole months. */
export type MonthUnit = keyof typeof UNIT_MONTHS;

/** Whether a unit has a length in milliseconds. */
export const isFixedUnit = (unit: string): unit is FixedUnit => Object.hasOwn(UNIT_MS, unit);

/** Whether a unit has a length in months. */
export const isMonthUnit = (unit: string): unit is MonthUnit => Object.hasOwn(UNIT_MONTHS, unit);

/** A value that stands for a moment: a date, an ObjectId or a timestamp. */
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

const OFFSET = /^(?:GMT|UTC)?(?:([+-])(\d{2}):?(\d{2})?)?$/;

/** How far a zone (an Olson name or an offset) is ahead of UTC at a moment, in milliseconds. */
export function zoneOffsetMs(zone: unknown, at: number): number {
  if (zone === undefined || zone === 'UTC' || zone === 'GMT' || zone === 'Z') return 0;
  if (typeof zone !== 'string')
    return fail('Location40517', `timezone must evaluate to a string, found ${typeOf(zone)}`);
  const fixed = OFFSET.exec(zone);
  const match = fixed ?? OFFSET.exec(zoneName(zone, at));
  const [, sign, hours = '0', minutes = '0'] = match ?? [];
  const offset = (Number(hours) * 60 + Number(minutes)) * UNIT_MS.minute;
  return sign === '-' ? -offset : offset;
}

const zoneName = (zone: string, at: number): string =>
  zoneFormat(zone)
    .formatToParts(at)
    .find(({ type }) => type === 'timeZoneName')?.value ?? '';

/** A moment as the zone's wall clock shows it, in the UTC fields of a date. */
export const toLocal = (date: Date, zone: unknown): Date =>
  new Date(date.getTime() + zoneOffsetMs(zone, date.getTime()));

/** The moment at which the zone's wall clock shows what the UTC fields of a date say. */
export function fromLocal(local: number, zone: unknown): Date {
  const guess = local - zoneOffsetMs(zone, local);
  // Near a change of the clocks the first guess looks the offset up on the wrong side of it.
  return new Date(local - zoneOffsetMs(zone, guess));
}

/** The first of January is day 1. */
export const dayOfYear = (date: Date): number =>
  Math.floor((startOfDay(date) - Date.UTC(date.getUTCFullYear(), 0, 1)) / DAY_MS) + 1;

const startOfDay = (date: Date): number => Math.floor(date.getTime() / DAY_MS) * DAY_MS;

/** Monday is 1, Sunday 7. */
export const isoDayOfWeek = (date: Date): number => date.getUTCDay() || 7;

/** The year whose week (Monday to Sunday, with its Thursday inside the year) the date lies in. */
/** The week's number in the year of its Thursday, from 1. */
export const isoWeekYear = (date: Date): number =>
  new Date(startOfDay(date) + (4 - isoDayOfWeek(date)) * DAY_MS).getUTCFullYear();

export function isoWeek(date: Date): number {
  const thursday = new Date(startOfDay(date) + (4 - isoDayOfWeek(date)) * DAY_MS);
  return Math.floor((dayOfYear(thursday) - 1) / 7) + 1;
}

/** Weeks begin on Sunday; days before the first Sunday are week 0. */
export const weekOfYear = (date: Date): number => Math.floor((dayOfYear(date) + 6 - date.getUTCDay()) / 7);

/** Adds months and keeps the day, or takes the month's last one where it has no such day. */
export function addMonths(date: Date, months: number): number {
  const year = date.getUTCFullYear();
  const month = date.getUTCMonth() + months;
  const lastDay = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  const time = date.getTime() - startOfDay(date);
  return Date.UTC(year, month, Math.min(date.getUTCDate(), lastDay)) + time;
}

const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];

/** The number of a weekday by its name or the name's first three letters; Sunday is 0. */
export function weekdayNumber(name: unknown): number {
  if (name === undefined || name === null) return 0;
  const text = typeof name === 'string' ? name.toLowerCase() : '';
  const found = WEEKDAYS.findIndex((day) => day === text || day.slice(0, 3) === text);
  return found === -1 ? fail('Location5439015', `unknown day of week value: ${String(name)}`) : found;
}
