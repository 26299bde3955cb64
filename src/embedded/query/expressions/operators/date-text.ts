import { typeOf } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import {
  dayOfYear,
  fromLocal,
  isoDayOfWeek,
  isoWeek,
  isoWeekYear,
  toDate,
  toLocal,
  UNIT_MS,
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
    return `${offsetMinutes < 0 ? '-' : '+'}${padded(Math.floor(minutes / 60), 2)}${padded(minutes % 60, 2)}`;
  },
  Z: ({ offsetMinutes }) => `${offsetMinutes < 0 ? '' : '+'}${offsetMinutes}`,
  '%': () => '%',
};

const formatDate = (format: string, moment: Moment): string =>
  format.replace(/%(.?)/gs, (_, specifier: string) => {
    const formatter = Object.hasOwn(FORMATTERS, specifier) ? FORMATTERS[specifier] : undefined;
    return formatter?.(moment) ?? fail('Location18536', `Invalid format character '%${specifier}' in format string`);
  });

const UTC_FORMAT = '%Y-%m-%dT%H:%M:%S.%LZ';
const LOCAL_FORMAT = '%Y-%m-%dT%H:%M:%S.%L';

function dateToString({ date, format, timezone, onNull }: Record<string, unknown>): unknown {
  if (isNullish(date)) return onNull ?? null;
  if (format === null || timezone === null) return null;
  const moment = toDate(date);
  const offsetMs = zoneOffsetMs(timezone, moment.getTime());
  const isUtc = timezone === undefined || timezone === 'UTC' || timezone === 'GMT' || timezone === 'Z';
  const pattern = format ?? (isUtc ? UTC_FORMAT : LOCAL_FORMAT);
  if (typeof pattern !== 'string')
    return fail('Location18533', `$dateToString requires that 'format' be a string, found: ${typeOf(pattern)}`);
  return formatDate(pattern, { local: toLocal(moment, timezone), offsetMinutes: offsetMs / UNIT_MS.minute });
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
  G: '(?<isoYear>\\d{4})',
  V: '(?<isoWeek>\\d{1,2})',
  u: '(?<isoDay>\\d)',
  '%': '%',
};

function parserOf(format: string): RegExp {
  const body = format.replace(/%(.?)|[\\^$.*+?()[\]{}|/]/gs, (text, specifier: string | undefined) => {
    if (specifier === undefined) return `\\${text}`;
    const parser = Object.hasOwn(PARSERS, specifier) ? PARSERS[specifier] : undefined;
    return parser ?? fail('Location18536', `Invalid format character '%${specifier}' in format string`);
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
  if (groups['zone'] !== undefined) return new Date(local - zoneOffsetMs(groups['zone'], local));
  if (groups['zoneMinutes'] !== undefined) return new Date(local - part('zoneMinutes', 0) * UNIT_MS.minute);
  return fromLocal(local, zone);
}

function calendarDay(groups: Record<string, string>, part: (name: string, standard: number) => number): number {
  if (groups['isoYear'] !== undefined) {
    const fourth = new Date(Date.UTC(part('isoYear', 1970), 0, 4));
    return fourth.getTime() + ((part('isoWeek', 1) - 1) * 7 + part('isoDay', 1) - isoDayOfWeek(fourth)) * UNIT_MS.day;
  }
  const year = part('year', 1970);
  if (groups['dayOfYear'] !== undefined) return Date.UTC(year, 0, part('dayOfYear', 1));
  const name = groups['monthName']?.toLowerCase();
  const month =
    name === undefined ? part('month', 1) - 1 : MONTHS.findIndex((full) => full.toLowerCase().startsWith(name));
  return Date.UTC(year, month, part('day', 1));
}

function dateFromString({ dateString, format, timezone, onNull, ...rest }: Record<string, unknown>): unknown {
  if (isNullish(dateString)) return onNull ?? null;
  if (timezone === null || format === null) return null;
  try {
    if (typeof dateString !== 'string') {
      return fail(
        'ConversionFailure',
        `$dateFromString requires that 'dateString' be a string, found: ${typeOf(dateString)}`,
      );
    }
    if (typeof format === 'string') return parseWithFormat(dateString, format, timezone);
    const date = convert(dateString, 'date') as Date;
    const hasZone = /(?:Z|[+-]\d{2}:?(?:\d{2})?)$/i.test(dateString.slice(10));
    return hasZone ? date : fromLocal(date.getTime(), timezone);
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
