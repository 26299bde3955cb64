import { expect, test } from 'vitest';
import { Appender } from '../../../../src/realtime/delivery/ingest/appender.js';
import { Positions } from '../../../../src/realtime/delivery/storage/positions.js';
import { createTestClock } from '../../../support/clock.js';

const messageTo = (userId: string) => ({
  id: `for ${userId}`,
  namespace: '/v1/shared',
  event: 'm',
  args: [userId],
  recipient: { site: '', userId },
});

/** Stores a message for each of two users. The database refuses the position of one, and fails when it reads for a user. */
async function append(isFailing: (recipient: string) => boolean): Promise<string[]> {
  const clock = createTestClock();
  const read = async (recipient: string) => {
    if (isFailing(recipient)) throw new Error('the database failed');
    return 0;
  };
  const refused = { index: 0, code: 11_000, errmsg: 'E11000 duplicate key error index: recipient_1_position_1' };
  const collection = {
    insertOne: async () => undefined,
    insertMany: async () => Promise.reject(Object.assign(new Error(), { writeErrors: [refused] })),
  };
  const log = { collection, readLast: read, readEnd: read };
  const appender = new Appender({
    log,
    positions: new Positions(clock),
    leaders: { noteTaken: () => undefined },
    clock,
    receiptTtlMs: 1000,
  } as unknown as ConstructorParameters<typeof Appender>[0]);
  const results = await appender.append(['ann', 'bob'].map(messageTo));
  return results.map((result) => (result instanceof Error ? result.message : result.id));
}

test('a message that was stored is not lost when the position of another cannot be read again', async () => {
  let reads = 0;
  const isFailing = (): boolean => {
    reads += 1;
    return reads > 2;
  };
  expect(await append(isFailing)).toEqual(['the database failed', 'for bob']);
});

test('a message is stored when the last position of another recipient cannot be read', async () => {
  expect(await append((recipient) => recipient.includes('ann'))).toEqual(['the database failed', 'for bob']);
});
