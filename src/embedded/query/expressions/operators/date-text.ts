import { typeOf } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import {
  dayOfYear,
  fromLocal,
  isoDay,
  isoDayOfWeek,
  isoWeek,
  isoWeekYear,
  isUtc,
  toDate,
  UNIT_MS,
  utcDay,
  weekOfYear,
  zoneOffsetMs,
} from './calendar.js';
import { convert, isConversionFailure } from './convert.js';
import { defineNamed, isNullish, type OperatorEntry } from './define.js';

const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
] as const;

interface Moment {
  readonly local: Date;
  readonly offsetMinutes: number;
}

const padded = (value: number, width: number): string => String(value).padStart(width, '0');

const FORMATTERS: Readonly<Record<string, (moment: Moment) => string>> = {
  Y: ({ local }) => padded(local.getUTCFullYear(), 4),
  G: ({ local }) => padded(isoWeekYear(local), 4),
  m: ({ local }) => padded(local.getUTCMonth() + 1, 2),
  d: ({ local }) => padded(local.getUTCDate(), 2),
  H: ({ local }) => padded(local.getUTCHours(), 2),
  M: ({ local }) => padded(local.getUTCMinutes(), 2),
  S: ({ local }) => padded(local.getUTCSeconds(), 2),
  L: ({ local }) => padded(local.getUTCMilliseconds(), 3),
  j: ({ local }) => padded(dayOfYear(local), 3),
  w: ({ local }) => String(local.getUTCDay() + 1),
  u: ({ local }) => String(isoDayOfWeek(local)),
  U: ({ local }) => padded(weekOfYear(local), 2),
  V: ({ local }) => padded(isoWeek(local), 2),
  b: ({ local }) => (MONTHS[local.getUTCMonth()] ?? '').slice(0, 3),
  B: ({ local }) => MONTHS[local.getUTCMonth()] ?? '',
  z: ({ offsetMinutes }) => {
    const minutes = Math.abs(offsetMinutes);
    return `${offsetMinutes < 0 ? '-' : '+'}${padded(Math.floor(minutes / 60), 2)}${padded(Math.trunc(minutes % 60), 2)}`;
  },
  Z: ({ offsetMinutes }) => `${offsetMinutes < 0 ? '' : '+'}${Math.trunc(offsetMinutes)}`,
  '%': () => '%',
};

const SPECIFIER = /%(.?)/gs;

/** The format of a date text. @throws DatabaseError with the code for another type, or for an unknown specifier */
function ensureFormat(format: unknown, specifiers: object, code: number, name: string): string {
  if (typeof format !== 'string')
    return fail(`Location${code}`, `${name} requires that 'format' be a string, found: ${typeOf(format)}`);
  for (const [, specifier = ''] of format.matchAll(SPECIFIER)) {
    if (specifier === '') fail('Location18535', "Unmatched '%' at end of format string");
    if (!Object.hasOwn(specifiers, specifier))
      fail('Location18536', `Invalid format character '%${specifier}' in format string`);
  }
  return format;
}

const UTC_FORMAT = '%Y-%m-%dT%H:%M:%S.%LZ';
const LOCAL_FORMAT = '%Y-%m-%dT%H:%M:%S.%L';

function dateToString({ date, format, timezone, onNull }: Record<string, unknown>): unknown {
  const pattern = isNullish(format) ? format : ensureFormat(format, FORMATTERS, 18533, '$dateToString');
  if (isNullish(date)) return onNull ?? null;
  if (pattern === null || timezone === null) return null;
  const moment = toDate(date);
  const offsetMs = zoneOffsetMs(timezone, moment.getTime());
  const local = new Date(moment.getTime() + offsetMs);
  const year = local.getUTCFullYear();
  if (year < 0 || year > 9999)
    return fail(
      'Location18537',
      `Could not convert date to string: date component was outside the supported range of 0-9999: ${year}`,
    );
  const text = pattern ?? (isUtc(timezone) ? UTC_FORMAT : LOCAL_FORMAT);
  return text.replace(
    SPECIFIER,
    (_, specifier: string) => FORMATTERS[specifier]?.({ local, offsetMinutes: offsetMs / UNIT_MS.minute }) ?? '',
  );
}

/** The pattern of each format specifier, with a named group. */
const PARSERS: Readonly<Record<string, string>> = {
  Y: '(?<year>\\d{4})',
  m: '(?<month>\\d{1,2})',
  d: '(?<day>\\d{1,2})',
  H: '(?<hour>\\d{1,2})',
  M: '(?<minute>\\d{1,2})',
  S: '(?<second>\\d{1,2})',
  L: '(?<millisecond>\\d{1,3})',
  j: '(?<dayOfYear>\\d{1,3})',
  b: '(?<monthName>[A-Za-z]{3})',
  B: '(?<monthName>[A-Za-z]+)',
  z: '(?<zone>Z|[+-]\\d{2}:?(?:\\d{2})?)',
  Z: '(?<zoneMinutes>[+-]\\d{1,4})',
  G: '(?<isoYear>\\d{1,4})',
  V: '(?<isoWeek>\\d{1,2})',
  u: '(?<isoDay>\\d)',
  '%': '%',
};

function parserOf(format: string): RegExp {
  const body = format.replace(/%(.?)|[\\^$.*+?()[\]{}|/]/gs, (text, specifier: string | undefined) => {
    if (specifier === undefined) return `\\${text}`;
    return PARSERS[specifier] ?? '';
  });
  return new RegExp(`^${body}$`);
}

function parseWithFormat(text: string, format: string, zone: unknown): Date {
  const groups = parserOf(format).exec(text)?.groups;
  if (groups === undefined)
    return fail('ConversionFailure', `Error parsing date string '${text}'; it does not match the format '${format}'`);
  const part = (name: string, standard: number): number =>
    groups[name] === undefined ? standard : Number(groups[name]);
  const time =
    part('hour', 0) * UNIT_MS.hour +
    part('minute', 0) * UNIT_MS.minute +
    part('second', 0) * UNIT_MS.second +
    part('millisecond', 0);
  const local = calendarDay(groups, part) + time;
  const hasZone = groups['zone'] !== undefined || groups['zoneMinutes'] !== undefined;
  if (hasZone) ensureOneZone(zone);
  if (groups['zone'] !== undefined) return new Date(local - zoneOffsetMs(groups['zone'], local));
  if (hasZone) return new Date(local - part('zoneMinutes', 0) * UNIT_MS.minute);
  return fromLocal(local, zone);
}

/** @throws DatabaseError ConversionFailure when a text with a zone comes with another zone */
function ensureOneZone(zone: unknown): void {
  if (isUtc(zone)) return;
  fail('ConversionFailure', 'you cannot pass in a date/time string with GMT offset together with a timezone argument');
}

const ISO_PARTS = ['isoYear', 'isoWeek', 'isoDay'];
const NATURAL_PARTS = ['year', 'month', 'monthName', 'day', 'dayOfYear'];

function calendarDay(groups: Record<string, string>, part: (name: string, standard: number) => number): number {
  const has = (names: readonly string[]): boolean => names.some((name) => groups[name] !== undefined);
  if (has(ISO_PARTS)) {
    if (has(NATURAL_PARTS)) fail('ConversionFailure', 'Mixing of ISO dates with natural dates is not allowed');
    if (groups['isoYear'] === undefined) fail('ConversionFailure', 'The parsed date was invalid');
    return isoDay(part('isoYear', 1970), part('isoWeek', 1), part('isoDay', 1));
  }
  const year = part('year', 1970);
  if (groups['dayOfYear'] !== undefined) return utcDay(year, 0, part('dayOfYear', 1));
  return utcDay(year, monthOf(groups) ?? part('month', 1) - 1, part('day', 1));
}

function monthOf({ monthName }: Record<string, string>): number | undefined {
  if (monthName === undefined) return undefined;
  const name = monthName.toLowerCase();
  const month = MONTHS.map((full) => full.toLowerCase()).findIndex(
    (full) => full === name || full.slice(0, 3) === name,
  );
  return month === -1 ? fail('ConversionFailure', `Error parsing date string; unknown month '${monthName}'`) : month;
}

function dateFromString({ dateString, format, timezone, onNull, ...rest }: Record<string, unknown>): unknown {
  const pattern = isNullish(format) ? format : ensureFormat(format, PARSERS, 40684, '$dateFromString');
  if (isNullish(dateString)) return onNull ?? null;
  try {
    if (typeof dateString !== 'string') {
      return fail(
        'ConversionFailure',
        `$dateFromString requires that 'dateString' be a string, found: ${typeOf(dateString)}`,
      );
    }
    if (timezone === null || pattern === null) return null;
    if (pattern !== undefined) return parseWithFormat(dateString, pattern, timezone);
    const date = convert(dateString, 'date') as Date;
    if (!/(?:Z|[+-]\d{2}:?(?:\d{2})?)$/i.test(dateString.slice(10))) return fromLocal(date.getTime(), timezone);
    ensureOneZone(timezone);
    return date;
  } catch (error) {
    if ('onError' in rest && isConversionFailure(error)) return rest['onError'];
    throw error;
  }
}

/** Operators that format and parse dates. */
export const dateTextOperators: readonly OperatorEntry[] = [
  defineNamed('$dateToString', { required: ['date'], optional: ['format', 'timezone', 'onNull'] }, dateToString),
  defineNamed(
    '$dateFromString',
    { required: ['dateString'], optional: ['format', 'timezone', 'onError', 'onNull'] },
    dateFromString,
  ),
];
