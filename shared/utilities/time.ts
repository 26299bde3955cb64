/** RFC 3339. A blank in the place of the `+` is what a query string makes of one that was not encoded. */
const TIME = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+\- ])(\d\d):(\d\d))$/;

/** A point in time, or why a text is none. */
export type ParsedTime = { readonly time: Date } | { readonly problem: string };

const YEAR_0 = Date.parse('0000-01-01T00:00:00Z');
/** The first moment whose year has no four digits any more, as RFC 3339 wants them. */
export const YEAR_10000 = Date.UTC(10_000, 0, 1);

/** Whether a time can be written with a year of four digits, in UTC. */
export const hasFourDigitYear = (unixMs: number): boolean => unixMs >= YEAR_0 && unixMs < YEAR_10000;

const noTime = { problem: 'must be a time as in RFC 3339, such as 2030-01-31T12:00:00Z or 2030-01-31T14:00:00+02:00' };

/**
 * Reads a time of RFC 3339: any offset, `t` and `z` in either case, any number of digits of a second. Digits beyond
 * milliseconds are dropped.
 */
export function parseTime(text: string): ParsedTime {
  const match = TIME.exec(text);
  if (match === null) return noTime;
  const [, date = '', minutes = '', seconds = '', fraction = '', sign, offsetHours = '0', offsetMinutes = '0'] = match;
  if (seconds === '60') return { problem: 'must not be a leap second' };
  const local = new Date(`${date}T${minutes}:${seconds}.${fraction.slice(0, 3).padEnd(3, '0')}Z`);
  // JavaScript reads 30 February as 1 March, and 24:00 as the next day.
  if (Number.isNaN(local.getTime()) || !local.toISOString().startsWith(`${date}T${minutes}`)) return noTime;
  const [hours, rest] = [Number(offsetHours), Number(offsetMinutes)];
  if (hours > 23 || rest > 59) return noTime;
  const offsetMs = (hours * 60 + rest) * 60_000 * (sign === '-' ? -1 : 1);
  const unixMs = local.getTime() - offsetMs;
  return hasFourDigitYear(unixMs)
    ? { time: new Date(unixMs) }
    : { problem: 'must be in the years 0000 to 9999 in UTC' };
}
