import { createConnection, Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineGatewayModels } from '../../src/models/index.js';
import { createTestClock } from '../support/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';

/* A field that was not asked for is no fault of the document. One that was asked for and is missing is. */

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment();
});
afterAll(() => environment.close());

test.each([
  { projection: undefined, faults: true },
  { projection: { participantSettings: 1 }, faults: false },
  { projection: { participantSettings: { $elemMatch: { lastReadMessage: null } } }, faults: false },
  { projection: { participantSettings: { $elemMatch: { lastReadMessage: null } }, participants: 1 }, faults: true },
  { projection: { participantSettings: 0 }, faults: true },
  { projection: { participants: 0 }, faults: false },
  { projection: { participantSettings: { $slice: 1 } }, faults: true },
])('missing participants are noted for $projection: $faults', async ({ projection, faults }) => {
  const warnings: unknown[] = [];
  const connection = await createConnection(environment.database.url, { autoIndex: false }).asPromise();
  environment.defer(() => connection.close());
  const logger = { warn: (fields: object, text: string) => void warnings.push([text, fields]) };
  const { Chat } = defineGatewayModels(connection, { clock: createTestClock(), logger } as never);
  const _id = new Types.ObjectId();
  const settings = [{ user: new Types.ObjectId(), lastReadMessage: null }];
  await Chat.collection.insertOne({
    _id,
    type: 'group',
    participantSettings: settings,
    createdAt: new Date(),
  } as never);
  await Chat.findById(_id, projection).lean();
  expect(warnings.some((warning) => JSON.stringify(warning).includes('participants'))).toBe(faults);
});
