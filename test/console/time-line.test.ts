import { expect, test } from 'vitest';
import { type Told, toElapsed, toTimeLine } from '../../src/console/views/message/time-line.js';

const at = (ms: number): string => new Date(Date.parse('2026-11-03T09:30:00.000Z') + ms).toISOString();
const START = Date.parse(at(0));

const told: Told = {
  acceptedAt: at(0),
  devices: [
    { deviceId: 'laptop', state: 'acked', reason: 'ACKNOWLEDGED' },
    { deviceId: 'phone', state: 'sent', reason: 'NOT_ACKNOWLEDGED' },
  ],
  steps: [
    { at: at(0), what: 'accepted' },
    { at: at(12), what: 'sent', deviceId: 'laptop' },
    { at: at(190), what: 'acknowledged', deviceId: 'laptop' },
    { at: at(30_000), what: 'sent', deviceId: 'phone' },
    { at: at(60_000), what: 'pushed' },
  ],
};

test('has a lane for the message and one for each device, with its steps in the order of time', () => {
  const { lanes } = toTimeLine(told, START + 3_600_000);
  expect(lanes.map(({ deviceId, marks }) => [deviceId, marks.map(({ what }) => what)])).toEqual([
    [undefined, ['accepted', 'pushed']],
    ['laptop', ['sent', 'acknowledged']],
    ['phone', ['sent']],
  ]);
  for (const { marks } of lanes) expect(marks.map(({ x }) => x)).toEqual(marks.map(({ x }) => x).sort((a, b) => a - b));
});

test('shows how long it waited, was under way, and what still waits until now', () => {
  const { lanes, isOpen } = toTimeLine(told, START + 3_600_000);
  expect(isOpen).toBe(true);
  const [, laptop, phone] = lanes;
  expect(laptop?.stretches.map(({ kind }) => kind)).toEqual(['waiting', 'under-way']);
  expect(phone?.stretches.map(({ kind }) => kind)).toEqual(['waiting', 'open']);
  expect(phone?.stretches.at(-1)?.to).toBe(1);
  for (const lane of lanes) {
    for (const [index, { from, to }] of lane.stretches.entries()) {
      expect(from).toBe(index === 0 ? 0 : lane.stretches[index - 1]?.to);
      expect(to).toBeGreaterThan(from);
    }
  }
});

test('ends with the last step when nothing waits', () => {
  const devices = told.devices.slice(0, 1);
  const steps = told.steps.slice(0, 3);
  const { lanes, isOpen } = toTimeLine({ ...told, devices, steps }, START + 3_600_000);
  expect(isOpen).toBe(false);
  expect(lanes[1]?.marks.at(-1)?.x).toBe(1);
});

test('keeps everything within the graphic when clocks differ, nothing took time, or there are no devices', () => {
  const early: Told = { ...told, steps: [...told.steps, { at: at(-5000), what: 'sent', deviceId: 'laptop' }] };
  const empty: Told = { acceptedAt: at(0), devices: [], steps: [{ at: at(0), what: 'accepted' }] };
  for (const [one, now] of [
    [early, START],
    [early, START - 60_000],
    [empty, START],
  ] as const) {
    const { lanes, ticks } = toTimeLine(one, now);
    const places = [
      ...ticks.map(({ x }) => x),
      ...lanes.flatMap(({ marks, stretches }) => [
        ...marks.map(({ x }) => x),
        ...stretches.flatMap(({ from, to }) => [from, to]),
      ]),
    ];
    for (const x of places) expect(x >= 0 && x <= 1).toBe(true);
  }
});

test('shows milliseconds beside days, with ticks that do not touch', () => {
  const { lanes, ticks } = toTimeLine(told, START + 3 * 86_400_000);
  expect(lanes[1]?.marks[0]?.x).toBeGreaterThan(0.03);
  expect(ticks.length).toBeGreaterThan(4);
  for (const [index, { x }] of ticks.entries()) {
    if (index > 0) expect(x - (ticks[index - 1]?.x ?? 0)).toBeGreaterThan(0.1);
  }
});

test.each([50, 3000, 90_000, 7_200_000, 30 * 86_400_000])(
  'has ticks that do not touch on a phone, nor the end, after %d ms',
  (ms) => {
    const { ticks } = toTimeLine(told, START + ms);
    const coarse = [...ticks.filter(({ isFine }) => !isFine).map(({ x }) => x), 1];
    for (const [index, x] of coarse.entries()) {
      if (index > 0) expect(x - (coarse[index - 1] ?? 0)).toBeGreaterThan(0.29);
    }
  },
);

test('bounds the number of lanes, and counts the others', () => {
  const devices = Array.from({ length: 100 }, (_, index) => ({ deviceId: `d${index}`, state: 'queued', reason: 'X' }));
  const { lanes, more } = toTimeLine({ ...told, devices }, START);
  expect(lanes.length - 1 + more).toBe(100);
  expect(lanes.length).toBeLessThan(30);
});

test.each([
  [0, '+0 ms'],
  [192.4, '+192 ms'],
  [1250, '+1.25 s'],
  [59_999, '+60 s'],
  [185_000, '+3 min 5 s'],
  [7_200_000, '+2 h'],
  [90_061_000, '+1 d 1 h'],
])('writes %d ms as %s', (ms, text) => {
  expect(toElapsed(ms)).toBe(text);
});
