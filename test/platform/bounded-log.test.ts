import { expect, test } from 'vitest';
import { boundLog } from '../../src/platform/bounded-log.js';
import { createLogger } from '../../src/platform/logger.js';
import { createTestClock } from '../support/clock.js';

function createLog() {
  const lines: Record<string, unknown>[] = [];
  const clock = createTestClock();
  const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
  return { lines, clock, logger: boundLog(createLogger({ level: 'info', isPretty: false }, { write }), clock) };
}

test('writes ten lines of a kind in a minute, then the number of omitted lines', () => {
  const { lines, clock, logger } = createLog();
  for (let count = 0; count < 500; count += 1) logger.error({ err: new Error(`no ${count}`) }, 'it failed');
  expect(lines).toHaveLength(10);
  clock.advance(60_000);
  expect(lines.slice(10)).toMatchObject([{ level: 50, omitted: 490, msg: 'it failed' }]);
  logger.error({}, 'it failed');
  expect(lines).toHaveLength(12);
});

test('distinguishes kinds by their message, level and place', () => {
  const { lines, logger } = createLog();
  for (let count = 0; count < 20; count += 1) {
    logger.warn('it failed');
    logger.error('it failed');
    logger.error({ namespace: '/a' }, 'it failed');
    logger.error({ namespace: '/b' }, 'it failed');
    logger.info('nothing failed');
  }
  expect(lines).toHaveLength(60);
});

test('bounds the number of kinds', () => {
  const { lines, logger } = createLog();
  for (let count = 0; count < 5000; count += 1) logger.warn(`it failed ${count}`);
  expect(lines).toHaveLength(1010);
});
