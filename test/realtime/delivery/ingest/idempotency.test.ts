import { createConnection } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineModels } from '#shared/models/index.js';
import { Idempotency, type Once } from '../../../../src/realtime/delivery/ingest/idempotency.js';
import { createTestClock, type TestClock } from '../../../support/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../../../support/environment.js';
import { until } from '../../../support/until.js';

let environment: TestEnvironment;
beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 0 });
});
afterAll(() => environment.close());

/** The keys as a node has them, with what it asks of the database. */
async function openNode(clock: TestClock) {
  const connection = await createConnection(environment.database.url, {
    autoIndex: false,
    autoCreate: false,
    monitorCommands: true,
  }).asPromise();
  environment.defer(() => connection.close());
  const commands: string[] = [];
  connection.getClient().on('commandStarted', ({ commandName }) => void commands.push(commandName));
  const model = defineModels(connection).DeliveryKey;
  return { commands, idempotency: new Idempotency({ model, clock }) };
}

/** A call that goes on until it is told how it ends. */
function createWork() {
  const ids: string[] = [];
  let end: { resolve(answer: string): void; reject(error: Error): void } | undefined;
  const work = (id: string): Promise<string> => {
    ids.push(id);
    return new Promise((resolve, reject) => {
      end = { resolve, reject };
    });
  };
  return { ids, work, end: () => end };
}

test('a call that waits for the one of another node only reads, less and less often', async () => {
  const clock = createTestClock();
  const [one, other] = [await openNode(clock), await openNode(clock)];
  const first = createWork();
  const done = one.idempotency.once('waited', {}, first.work);
  await until(() => first.ids.length === 1);
  let replay: Once<string> | undefined;
  void other.idempotency
    .once('waited', {}, async () => 'second')
    .then((found) => {
      replay = found;
    });
  const waitedFrom = clock.now();
  await clock.advanceUntil(100, () => clock.now() - waitedFrom >= 4000);
  const asked = [...other.commands];
  first.end()?.resolve('first');
  await done;
  await clock.advanceUntil(100, () => replay !== undefined);
  expect(replay).toEqual({ answer: 'first', isReplay: true });
  expect(asked.filter((name) => name !== 'find')).toEqual(['insert']);
  expect(asked.length).toBeLessThan(15);
});

test('a call whose predecessor has failed takes over at once, with the id of its message', async () => {
  const clock = createTestClock();
  const [one, other] = [await openNode(clock), await openNode(clock)];
  const first = createWork();
  const failed = one.idempotency.once('failed', {}, first.work);
  await until(() => first.ids.length === 1);
  first.end()?.reject(new Error('no database'));
  await expect(failed).rejects.toThrow('no database');
  await until(() => one.commands.includes('update'));
  const failedAt = clock.now();
  const second = createWork();
  const done = other.idempotency.once('failed', {}, second.work);
  await clock.advanceUntil(10, () => second.ids.length === 1);
  expect(clock.now() - failedAt).toBeLessThan(1000);
  second.end()?.resolve('second');
  expect(await done).toEqual({ answer: 'second', isReplay: false });
  expect(second.ids).toEqual(first.ids);
});
