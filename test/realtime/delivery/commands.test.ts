import { ConnectionString } from 'mongodb-connection-string-url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isAcked } from '../../../src/realtime/delivery/storage/acked.js';
import { recordCommands } from '../../queries/recorder.js';
import { createTestClock } from '../../support/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../../support/environment.js';
import type { TestGateway } from '../../support/gateway.js';
import { until } from '../../support/until.js';
import { type Application, openApplication } from './application.js';

/** The gateway under test, in the handshake of its driver. */
const APP_NAME = 'commands-of-delivery';
const USERS = Array.from({ length: 20 }, (_, n) => `user-${n}`);

let environment: TestEnvironment;
let gateway: TestGateway;
let applications: Application[];
const recorder = recordCommands(APP_NAME);

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 0 });
  const url = new ConnectionString(environment.database.url);
  url.searchParams.set('appName', APP_NAME);
  // A clock that stands still: nothing happens at intervals.
  gateway = await environment.startNode({ MONGODB_URL: url.toString() }, { clock: createTestClock() });
  applications = await Promise.all(USERS.map((user) => openApplication(gateway, { user, deviceId: 'phone' })));
  await Promise.all(applications.map((application) => application.ready()));
});
afterAll(async () => {
  for (const application of applications) application.close();
  await environment.close();
  recorder.stop();
});

/** What the database was told: the command, its collection, and the number of its documents or statements. */
const toLine = ({ name, command }: (typeof recorder.commands)[number]): string => {
  const list = command['documents'] ?? command['updates'];
  return `${name} ${String(command[name])}${Array.isArray(list) ? ` ${list.length}` : ''}`;
};

/** The commands from now on, until every device has everything and what it has acknowledged is stored. */
async function during(work: () => Promise<unknown>): Promise<string[]> {
  await until(isStored);
  const { length } = recorder.commands;
  await work();
  await until(isStored);
  return recorder.commands.slice(length).map(toLine);
}

/** Whether nothing waits, by what is stored; read past the recorder. */
async function isStored(): Promise<boolean> {
  const { DeliveryEntry, DeliveryRecipient } = environment.models;
  const entries = await DeliveryEntry.find({ namespace: { $ne: '' } }).lean();
  if (!entries.every((entry) => entry.outcomes?.some(({ device }) => device === 'phone'))) return false;
  const mailboxes = new Map((await DeliveryRecipient.find().lean()).map(({ _id, devices }) => [_id, devices]));
  return entries.every((entry) => {
    const phone = mailboxes.get(entry.recipient)?.find(({ id }) => id === 'phone');
    return phone !== undefined && isAcked(phone.acked, phone.start ?? 0, entry);
  });
}

const send = (items: readonly object[]) => gateway.call('POST', '/emit', { items });
const toDurable = (userId: string) => ({ userId, event: 'm', payload: { n: 1 }, durable: true });
const statementsOf = (lines: readonly string[], what: string): number =>
  lines.filter((line) => line.startsWith(what)).reduce((sum, line) => sum + Number(line.slice(what.length)), 0);

test('emits need no command', async () => {
  const lines = await during(async () => {
    await gateway.call('POST', '/emit/user-1/m', { n: 1 });
    await send(USERS.map((userId) => ({ userId, event: 'm' })));
    await gateway.call('POST', '/broadcast/m', { n: 1 });
  });
  expect(lines).toEqual([]);
});

test('a durable message is one insert; its acknowledgement is written once, with the cursor of its device', async () => {
  const lines = await during(() => gateway.call('POST', '/emit/user-1/m?durable=true', { n: 1 }));
  expect(lines[0]).toBe('insert delivery.log 1');
  expect(lines.filter((line) => line === 'update delivery.log 1')).toHaveLength(1);
  // The cursor may be written before the acknowledgement comes.
  const others = lines.filter((line) => !line.endsWith('delivery.log 1'));
  expect(others.length).toBeLessThanOrEqual(2);
  expect(new Set(others)).toEqual(new Set(['update delivery.mailboxes 1']));
});

test('messages to many users are one insert, and a statement for each device', async () => {
  const lines = await during(() => send(USERS.map(toDurable)));
  expect(lines.filter((line) => line.startsWith('insert'))).toEqual([`insert delivery.log ${USERS.length}`]);
  expect(statementsOf(lines, 'update delivery.log ')).toBe(USERS.length);
  expect(statementsOf(lines, 'update delivery.mailboxes ')).toBeLessThanOrEqual(2 * USERS.length);
  expect(lines.every((line) => /^(insert|update) delivery\./.test(line))).toBe(true);
});

test('many messages to one user are one insert, and few statements for all acknowledgements', async () => {
  const lines = await during(() => send(Array.from({ length: 100 }, () => toDurable('user-2'))));
  expect(lines.filter((line) => line.startsWith('insert'))).toEqual(['insert delivery.log 100']);
  const flushes = lines.filter((line) => line.startsWith('update delivery.log ')).length;
  expect(statementsOf(lines, 'update delivery.log ')).toBe(flushes);
  expect(statementsOf(lines, 'update delivery.mailboxes ')).toBeLessThanOrEqual(flushes + 1);
});
