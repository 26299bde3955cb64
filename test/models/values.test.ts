import { mongo } from 'mongoose';
import { expect, test } from 'vitest';
import { readDate } from '../../src/models/index.js';

const lastMoment = new Date('9999-12-31T23:59:59.999Z');

test.for<[string, unknown]>([
  ['the first moment of the year 10000', new Date(Date.UTC(10_000, 0, 1))],
  ['the last date of JavaScript', new Date(8.64e15)],
  ['a date that JavaScript cannot hold, as of Java', new Date(Number.NaN)],
  ['a number beyond all dates', 1e18],
  ['the largest integer', mongo.Long.MAX_VALUE],
  ['infinity', Number.POSITIVE_INFINITY],
])('reads %s as a time that does not come', ([_name, value]) => {
  expect(readDate(value)).toEqual(lastMoment);
});

test.for<[string, unknown]>([
  ['a time before the year 0', new Date(-8.64e15)],
  ['a small number', 42.5],
  ['no number', Number.NaN],
  ['a negative one', Number.NEGATIVE_INFINITY],
  ['nothing', null],
])('does not read %s', ([_name, value]) => {
  expect(readDate(value)).toBeUndefined();
});
