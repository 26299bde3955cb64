import { describe, expect, test } from 'vitest';
import type { LiveRecord } from '#shared/contracts/traffic.js';
import { hrefTo } from '../../src/console/paths.js';
import { kinds, toFilters, toggleKind, toQuery } from '../../src/console/views/live/filters.js';
import { addRows, LineSplitter, parseLine, ROWS_MAX } from '../../src/console/views/live/stream.js';

const read = (query: string) => toFilters(new URLSearchParams(query));

describe('filters', () => {
  test.each([
    '',
    'user=64abc123def',
    'user=a+b%26c&namespace=%2Fv1%2Fshared&event=%C3%A4%3F&code=FORBIDDEN&node=n1&kinds=refusal%2Climit',
  ])('are the same after a way through the address: %s', (query) => {
    const filters = read(query);
    const href = hrefTo('/console/live', {}, toQuery(filters));
    expect(read(new URL(`http://gateway.example${href}`).search)).toEqual(filters);
  });

  test('of an address without any let everything through, and leave the address short', () => {
    expect(read('').kinds).toEqual(kinds);
    expect(hrefTo('/console/live', {}, toQuery(read('')))).toBe('/console/live');
  });

  test('ignore kinds that do not exist, and more than that when none does', () => {
    expect(read('kinds=push,nonsense,connect').kinds).toEqual(['connect', 'push']);
    expect(read('kinds=nonsense').kinds).toEqual(kinds);
  });

  test('switch kinds on and off, and never all off', () => {
    const without = toggleKind(read(''), 'event');
    expect(without.kinds).toEqual(kinds.filter((kind) => kind !== 'event'));
    expect(toggleKind(without, 'event').kinds).toEqual(kinds);
    expect(toggleKind(read('kinds=push'), 'push').kinds).toEqual(['push']);
  });
});

describe('lines', () => {
  const line = JSON.stringify({ at: '2026-11-03T09:30:00.000Z', kind: 'event', event: 'a\nb' });

  test('are the same wherever the stream is cut', () => {
    const text = `${line}\n\n${JSON.stringify({ dropped: 7 })}\n`;
    for (let cut = 0; cut <= text.length; cut++) {
      const splitter = new LineSplitter();
      const lines = [...splitter.push(text.slice(0, cut)), ...splitter.push(text.slice(cut))];
      expect(lines.map(parseLine)).toEqual([{ record: JSON.parse(line) }, undefined, { dropped: 7 }]);
    }
  });

  test('name a node that does not take part', () => {
    expect(parseLine('{"dropped":0,"unwatched":"b"}')).toEqual({ dropped: 0, unwatched: 'b' });
  });

  test('that never end are not kept', () => {
    const splitter = new LineSplitter();
    for (let part = 0; part < 5; part++) splitter.push('x'.repeat(600_000));
    expect(splitter.push(`\n${line}\n`).at(-1)).toBe(line);
  });

  test.each(['', ' ', 'nonsense', '1', 'null', '[]', '{}', '{"at":1,"kind":"event"}'])(
    'that are no record are left out: %s',
    (text) => {
      expect(parseLine(text)).toBeUndefined();
    },
  );
});

test('rows are bounded, newest first', () => {
  const record: LiveRecord = {
    at: '2026-11-03T09:30:00.000Z',
    node: 'n',
    kind: 'event',
    namespace: '/v1/shared',
    event: 'e',
    userId: null,
    code: 'SUCCESS',
    sockets: 1,
    bytes: 2,
  };
  const rows = Array.from({ length: 3 * ROWS_MAX }, (_, id) => ({ id, record }));
  const kept = addRows(addRows([], rows.slice(0, 10)), rows.slice(10));
  expect(kept).toHaveLength(ROWS_MAX);
  expect(kept[0]?.id).toBe(3 * ROWS_MAX - 1);
  expect(kept.at(-1)?.id).toBe(2 * ROWS_MAX);
});
