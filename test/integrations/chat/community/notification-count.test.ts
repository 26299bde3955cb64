import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createNotificationCount } from '../../../../src/integrations/chat/community/notification-count.js';
import { createTestEnvironment, type TestEnvironment } from '../../../support/environment.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment();
});
afterAll(() => environment.close());

/** Users with these numbers of unread notifications. */
async function countTogether(...unread: number[]): Promise<number[]> {
  const { models } = environment;
  const recipients = unread.map(() => new Types.ObjectId());
  const notifications = unread.flatMap((count, index) =>
    Array.from({ length: count + 3 }, (_, n) => ({ recipient: recipients[index], isRead: n < 3 })),
  );
  await models.Notification.insertMany(notifications);
  const { of } = createNotificationCount({ models } as never);
  return Promise.all(recipients.map(of));
}

test('counts of many users at once are those of each, up to the same number', async () => {
  expect(await countTogether(0)).toEqual([0]);
  expect(await countTogether(7)).toEqual([7]);
  expect(await countTogether(130)).toEqual([100]);
  expect(await countTogether(0, 1, 100, 5)).toEqual([0, 1, 100, 5]);
  expect(await countTogether(130, 0, 7)).toEqual([100, 0, 7]);
  // One has so many that those of the others are not reached.
  expect(await countTogether(450, 1, 2, 3)).toEqual([100, 1, 2, 3]);
});
