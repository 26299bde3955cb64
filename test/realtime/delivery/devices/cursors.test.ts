import { createConnection } from 'mongoose';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineModels, type Models } from '#shared/models/index.js';
import { CursorWriter } from '../../../../src/realtime/delivery/devices/cursor-writer.js';
import { Cursors } from '../../../../src/realtime/delivery/devices/cursors.js';
import { keyOf, recipientOf } from '../../../../src/realtime/delivery/message.js';
import type { Log } from '../../../../src/realtime/delivery/storage/log.js';
import { Mailboxes, toStoredDevice } from '../../../../src/realtime/delivery/storage/mailboxes.js';
import { startDatabase, type TestDatabase } from '../../../support/database.js';

const N = 200;
const namespace = '/v1/shared';

let database: TestDatabase;
let models: Models;
let mailboxes: Mailboxes;
let commands = 0;

beforeAll(async () => {
  database = await startDatabase();
  const connection = await createConnection(database.url, { autoIndex: false, monitorCommands: true }).asPromise();
  connection.getClient().on('commandStarted', () => {
    commands += 1;
  });
  models = defineModels(connection);
  mailboxes = new Mailboxes(models.DeliveryRecipient);
});
afterAll(async () => {
  await models.DeliveryEntry.db.close();
  await database.stop();
});

/** The cursors of one node. */
const createNode = () =>
  new Cursors({
    writer: new CursorWriter({
      mailboxes,
      log: {} as Log,
      pushStore: { remove: async () => undefined },
      onRemoved: async () => undefined,
      report: () => undefined,
    }),
    logger: pino({ level: 'silent' }),
    now: () => 0,
  });

const acknowledge = (cursors: Cursors, recipient: string, upTo: number, holes: number[] = []) => {
  // Without a revision a cursor that is known already keeps its own.
  const initial = { acked: {}, start: 0, sent: {}, revision: undefined };
  const cursor = cursors.of({ recipient: recipientOf(recipient), deviceId: 'd' }, initial);
  cursors.acknowledge(cursor, { [namespace]: { upTo, holes } }, []);
};

test('writes all cursors with few commands when another node has changed some of them', async () => {
  const recipients = Array.from({ length: N }, (_, n) => keyOf({ site: '', userId: `r${n}` }));
  await mailboxes.collection.insertMany(
    recipients.map((recipient) => ({ _id: recipient, devices: [toStoredDevice('d', 0, 0, [])] })) as never,
  );
  const [one, other] = [createNode(), createNode()];
  for (const recipient of recipients) acknowledge(one, recipient, 1);
  await one.flush();
  for (const recipient of recipients.slice(0, 10)) acknowledge(other, recipient, 7, [3, 4]);
  await other.flush();
  for (const recipient of recipients) acknowledge(one, recipient, 5, [4]);
  commands = 0;
  await one.flush();
  expect(commands).toBeLessThanOrEqual(4);

  const stored = await mailboxes.find(recipients);
  const ackedOf = (recipient: string) => stored.get(recipient)?.devices[0]?.acked;
  for (const recipient of recipients.slice(0, 10)) {
    expect(ackedOf(recipient)).toEqual({ [namespace]: { upTo: 7, holes: [4] } });
  }
  for (const recipient of recipients.slice(10)) {
    expect(ackedOf(recipient)).toEqual({ [namespace]: { upTo: 5, holes: [4] } });
  }

  // What was merged can be written again without being read.
  for (const recipient of recipients) acknowledge(one, recipient, 9);
  commands = 0;
  await one.flush();
  expect(commands).toBe(1);
});

const shared = keyOf({ site: '', userId: 'shared' });

test('writes the cursors of many nodes of which each knows a part', async () => {
  await mailboxes.collection.insertOne({ _id: shared, devices: [toStoredDevice('d', 0, 0, [])] } as never);
  const nodes = Array.from({ length: 6 }, createNode);
  for (let round = 1; round <= 5; round += 1) {
    for (const [index, node] of nodes.entries()) {
      // Each node is notified of one position in six.
      const own = Array.from({ length: round }, (_, n) => 6 * n + index + 1);
      const upTo = Math.max(...own);
      const holes = Array.from({ length: upTo }, (_, n) => n + 1).filter((position) => !own.includes(position));
      acknowledge(node, shared, upTo, holes);
    }
    await Promise.all(nodes.map((node) => node.flush()));
  }
  expect((await mailboxes.get(shared)).devices[0]?.acked).toEqual({ [namespace]: { upTo: 30, holes: [] } });
});
