import { expect, test } from 'vitest';
import { idOrTime, time } from '#shared/contracts/primitives.js';
import { parseTime } from '#shared/utilities/time.js';

test.for([
  ['2030-01-31T12:00:00Z', '2030-01-31T12:00:00.000Z'],
  ['2030-01-31T12:00:00+00:00', '2030-01-31T12:00:00.000Z'],
  ['2030-01-31T12:00:00-00:00', '2030-01-31T12:00:00.000Z'],
  ['2030-01-31T12:00:00-05:30', '2030-01-31T17:30:00.000Z'],
  ['2030-01-31T23:59:59+14:00', '2030-01-31T09:59:59.000Z'],
  ['2030-01-31T12:00:00 02:00', '2030-01-31T10:00:00.000Z'],
  ['2030-01-31t12:00:00z', '2030-01-31T12:00:00.000Z'],
  ['2030-01-31 12:00:00Z', '2030-01-31T12:00:00.000Z'],
  ['2030-01-31T12:00:00.5Z', '2030-01-31T12:00:00.500Z'],
  ['2030-01-31T12:00:00.123456789123456789+01:00', '2030-01-31T11:00:00.123Z'],
  ['2028-02-29T00:00:00Z', '2028-02-29T00:00:00.000Z'],
  ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
  ['1969-12-31T23:59:59.999Z', '1969-12-31T23:59:59.999Z'],
])('reads %s', ([text, expected]) => {
  expect(parseTime(text as string)).toEqual({ time: new Date(expected as string) });
});

test.for([
  '',
  'now',
  '0',
  '1700000000000',
  '2030-01-31',
  '2030-01-31T12:00Z',
  '2030-01-31T12:00:00',
  '12:00:00Z',
  '2030-02-30T12:00:00Z',
  '2030-13-01T12:00:00Z',
  '2030-00-10T12:00:00Z',
  '2029-02-29T00:00:00Z',
  '2030-01-31T24:00:00Z',
  '2030-01-31T12:60:00Z',
  '2030-01-31T12:00:61Z',
  '2030-01-31T12:00:00.Z',
  '2030-01-31T12:00:00+24:00',
  '2030-01-31T12:00:00+00:60',
  '2030-01-31T12:00:00+0100',
  '2030-01-31T12:00:00,5Z',
  ' 2030-01-31T12:00:00Z',
  '+02030-01-31T12:00:00Z',
  '２０３０-01-31T12:00:00Z',
])('refuses "%s"', (text) => {
  expect(parseTime(text)).toEqual({ problem: expect.stringContaining('RFC 3339') });
});

test('reports a leap second as such', () => {
  expect(parseTime('2016-12-31T23:59:60Z')).toEqual({ problem: 'must not be a leap second' });
});

test.for(['9999-12-31T23:59:59-00:01', '9999-12-31T00:01:00-23:59', '0000-01-01T00:00:00+00:01'])(
  'refuses %s, whose year in UTC has no four digits',
  (text) => {
    expect(parseTime(text)).toEqual({ problem: 'must be in the years 0000 to 9999 in UTC' });
  },
);

test.for(['9999-12-31T23:59:59.999Z', '9999-12-31T23:59:00+14:00', '0000-01-01T00:00:00Z'])('reads %s', (text) => {
  expect(parseTime(text)).toEqual({ time: new Date(text) });
});

test.each([
  ['a time', time],
  ['an id or a time', idOrTime],
])('%s of callers has a maximum length', (_, schema) => {
  const toText = (digits: number): string => `2030-01-31T12:00:00.${'1'.repeat(digits)}Z`;
  expect(schema.parse(toText(40))).toBe('2030-01-31T12:00:00.111Z');
  expect(schema.safeParse(toText(1000)).success).toBe(false);
});
