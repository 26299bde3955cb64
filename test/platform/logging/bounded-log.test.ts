import { expect, test } from 'vitest';
import { boundLog } from '../../../src/platform/logging/bounded-log.js';
import { createLogger } from '../../../src/platform/logging/logger.js';
import { createTestClock } from '../../support/clock.js';

function createLog() {
  const lines: Record<string, unknown>[] = [];
  const clock = createTestClock();
  const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
  return { lines, clock, ...boundLog(createLogger({ level: 'info', isPretty: false }, { write }), clock) };
}

test('writes ten lines of a kind in a minute, then the number of omitted lines', () => {
  const { lines, clock, logger } = createLog();
  for (let count = 0; count < 500; count += 1) logger.error({ err: new Error(`no ${count}`) }, 'an event failed');
  expect(lines).toHaveLength(10);
  clock.advance(60_000);
  expect(lines.slice(10)).toMatchObject([{ level: 50, event: 'event_failed', omitted: 490, msg: 'an event failed' }]);
  logger.error({}, 'an event failed');
  expect(lines).toHaveLength(12);
});

test('distinguishes kinds by their event and its fields', () => {
  const { lines, logger } = createLog();
  for (let count = 0; count < 20; count += 1) {
    logger.error('an event failed');
    logger.error('a request failed');
    logger.error({ namespace: '/a' }, 'an event failed');
    logger.error({ namespace: '/b', other: count }, 'an event failed');
  }
  expect(lines).toHaveLength(40);
});

test('aggregates refused connections: the first of a reason at once, then a count for each minute and reason', () => {
  const { lines, clock, logger } = createLog();
  for (let count = 0; count < 1000; count += 1) {
    logger.info({ namespace: '/v1/shared', reason: 'INVALID_TOKEN' }, 'a connection was refused');
    logger.info({ namespace: '/v1/shared', reason: 'FORBIDDEN' }, 'a connection was refused');
  }
  expect(lines).toHaveLength(2);
  clock.advance(60_000);
  expect(lines.slice(2)).toMatchObject([
    { event: 'connection_refused', namespace: '/v1/shared', reason: 'INVALID_TOKEN', omitted: 999 },
    { event: 'connection_refused', namespace: '/v1/shared', reason: 'FORBIDDEN', omitted: 999 },
  ]);
});

test('writes a reached rate limit once for each caller in a minute, also in a flood of callers', () => {
  const { lines, clock, logger } = createLog();
  for (let round = 0; round < 3; round += 1) {
    for (let user = 0; user < 5000; user += 1) {
      logger.info({ limit: 'events', caller: `user:${user}` }, 'rate limit reached');
    }
  }
  expect(lines).toHaveLength(1001);
  clock.advance(60_000);
  logger.info({ limit: 'events', caller: 'user:1' }, 'rate limit reached');
  expect(lines).toHaveLength(1002);
});

test('a flood of one event leaves room for the kinds of others', () => {
  const { lines, logger } = createLog();
  for (let count = 0; count < 5000; count += 1) {
    logger.info({ limit: 'events', caller: `user:${count}` }, 'rate limit reached');
  }
  lines.length = 0;
  for (const namespace of ['/a', '/b', '/c']) logger.error({ namespace }, 'an event failed');
  expect(lines).toHaveLength(3);
});

test('writes the counts when the process stops', () => {
  const { lines, clock, logger, flush } = createLog();
  for (let count = 0; count < 15; count += 1) logger.warn('push: given up');
  flush();
  expect(lines.at(-1)).toMatchObject({ event: 'push_given_up', omitted: 5 });
  clock.advance(60_000);
  expect(lines).toHaveLength(11);
});

test('does not compute the details of a line that is not written', () => {
  const { logger } = createLog();
  let calls = 0;
  for (let count = 0; count < 100; count += 1) {
    logger.info(() => {
      calls += 1;
      return {};
    }, 'a slow client was closed');
  }
  expect(calls).toBe(10);
});
