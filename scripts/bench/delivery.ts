import { setTimeout as pause } from 'node:timers/promises';
import {
  Arrivals,
  openBackends,
  openReceiver,
  openSiteReceiver,
  startWebsite,
  toBatch,
  toSend,
} from './delivery-clients.js';
import type { BenchOptions } from './options.js';
import type { ScenarioResult } from './report.js';
import { beginReport, publish, toResult } from './results.js';
import { type Rig, startRig } from './rig.js';
import { type AddSample, repeat } from './rounds.js';
import { quantile } from './statistics.js';

/*
 * Cost of acknowledged delivery beyond the comparison: many devices in one room, a device that reconnects with a full
 * mailbox, and one that acknowledges thousands of messages at once.
 */

const WARM_UP_ROUNDS = 2;
const ROOM_USERS = 200;
const ROOM_MESSAGES = 20;
const PENDING = 5000;
const BATCH_MAX = 1000;
const OWED = [1000, 2000, 4000] as const;
/** Upper bound for the cost of a message of the longest queue, relative to one of the shortest. */
const LINEAR_BOUND = 1.5;

/** Runs on the embedded database, and on MongoDB when `MONGODB_URL` is set; publishes a report. */
export async function run({ rounds }: BenchOptions): Promise<void> {
  const report = beginReport('delivery', [
    `Medians of ${rounds} rounds.`,
    'Every message is counted; a lost or repeated one aborts the run.',
    'Gateway, database and load generator are three processes on the same machine.',
  ]);
  const url = process.env['MONGODB_URL'];
  const website = await startWebsite();
  for (const label of ['embedded', ...(url === undefined ? [] : ['MongoDB'])]) {
    const mongodbUrl = label === 'MongoDB' ? url : undefined;
    const rig = await startRig({ label, mongodbUrl, env: website.env });
    const scenarios: [string, Scenario][] = [
      [`/send to a room of ${ROOM_USERS} users`, measureRoom],
      [`a device reconnects with ${PENDING} queued messages`, measureReconnect],
      ['thousands of messages acknowledged at once', measureBulkAcknowledgement],
    ];
    try {
      for (const [name, scenario] of scenarios) {
        const full = `${name}, ${label}`;
        process.stderr.write(`${full}\n`);
        report.scenarios.push(await scenario(rig, { name: full, rounds }));
      }
    } finally {
      await rig.stop();
    }
  }
  website.stop();
  await publish(report);
}

type Scenario = (rig: Rig, options: { name: string; rounds: number }) => Promise<ScenarioResult>;

/** CPU time since the previous call, per message. */
async function createMeter(rig: Rig) {
  let before = await rig.cpu();
  return async (messages: number) => {
    const after = await rig.cpu();
    const spent = {
      gateway: (after.gateway - before.gateway) / messages,
      database: (after.database - before.database) / messages,
    };
    before = after;
    return spent;
  };
}

const measureRoom: Scenario = async (rig, { name, rounds }) => {
  const arrivals = new Arrivals();
  const users = Array.from({ length: ROOM_USERS }, (_, n) => `${n}`);
  const receivers = await Promise.all(users.map((user) => openSiteReceiver(rig, arrivals, user)));
  const [backend] = await openBackends(rig, 1);
  const meter = await createMeter(rig);
  const measure = async (add: AddSample): Promise<void> => {
    await meter(1);
    const answered: number[] = [];
    const delivered: number[] = [];
    for (let n = 0; n < ROOM_MESSAGES; n += 1) {
      const { number, arrived } = arrivals.expect(ROOM_USERS);
      const sentAt = performance.now();
      await backend?.send(toSend(number));
      answered.push(performance.now() - sentAt);
      delivered.push((await arrived) - sentAt);
    }
    await settled(rig);
    const cpu = await meter(ROOM_MESSAGES * ROOM_USERS);
    add('to the response, p50 ms', quantile(answered, 0.5));
    add('to the last device, p50 ms', quantile(delivered, 0.5));
    add('to the last device, p99 ms', quantile(delivered, 0.99));
    add('CPU of the gateway, µs for each device', cpu.gateway);
    add('CPU of the database, µs for each device', cpu.database);
  };
  const lines = await repeat(rounds, measure, WARM_UP_ROUNDS);
  for (const receiver of receivers) receiver.close();
  backend?.close();
  return toResult({ name, unit: 'per message', lines, comparisons: [] });
};

/** Stores a number of messages. @returns when the last of them arrives */
async function fill(rig: Rig, arrivals: Arrivals, { user, count }: { user: string; count: number }) {
  const [backend] = await openBackends(rig, 1);
  const expected = Array.from({ length: count }, () => arrivals.expect());
  for (let start = 0; start < count; start += BATCH_MAX) {
    const numbers = expected.slice(start, start + BATCH_MAX).map(({ number }) => number);
    await backend?.send(toBatch(user, numbers));
  }
  backend?.close();
  return { lastArrived: Promise.all(expected.map(({ arrived }) => arrived)).then((times) => Math.max(...times)) };
}

const measureReconnect: Scenario = async (rig, { name, rounds }) => {
  const meter = await createMeter(rig);
  const lines = await repeat(rounds, async (add, round) => {
    const arrivals = new Arrivals();
    const user = `comeback-${round}`;
    const { lastArrived } = await fill(rig, arrivals, { user, count: PENDING });
    await meter(1);
    const startedAt = performance.now();
    const receiver = await openReceiver(rig, arrivals, user);
    const lastAt = await lastArrived;
    await settled(rig, user);
    const settledAt = performance.now();
    const cpu = await meter(PENDING);
    receiver.close();
    add('to the last message, ms', lastAt - startedAt);
    add('until all are removed, ms', settledAt - startedAt);
    add('CPU of the gateway, µs for each message', cpu.gateway);
    add('CPU of the database, µs for each message', cpu.database);
  });
  return toResult({ name, unit: 'per reconnect', lines, comparisons: [] });
};

const measureBulkAcknowledgement: Scenario = async (rig, { name, rounds }) => {
  const lines = await repeat(rounds, async (add, round) => {
    for (const count of OWED) {
      const arrivals = new Arrivals();
      const user = `owed-${count}-${round}`;
      const receiver = await openReceiver(rig, arrivals, user);
      const release = receiver.hold();
      const { lastArrived } = await fill(rig, arrivals, { user, count });
      const startedAt = performance.now();
      release();
      await lastArrived;
      await settled(rig, user);
      const durationMs = performance.now() - startedAt;
      receiver.close();
      add(`${count} messages`, (durationMs * 1000) / count);
    }
  });
  const [least, most] = [Math.min(...OWED), Math.max(...OWED)];
  const comparisons = [{ of: `${most} messages`, against: `${least} messages`, bound: LINEAR_BOUND }];
  return toResult({ name, unit: 'µs per message until all are taken away', lines, comparisons });
};

/** Waits until all acknowledgements of one user, or of all, are stored. */
async function settled({ models }: Rig, user?: string): Promise<void> {
  const recipient = user === undefined ? undefined : JSON.stringify(['', user]);
  const whose = recipient === undefined ? {} : { recipient };
  const last = { $group: { _id: '$recipient', position: { $max: '$position' } } };
  const lasts = await models.DeliveryEntry.aggregate<{ _id: string; position: number }>([{ $match: whose }, last]);
  const positions = new Map(lasts.map(({ _id, position }) => [_id, position]));
  const isBehind = ({ _id, devices }: Mailbox): boolean =>
    devices.some(
      ({ acked }) =>
        !Object.values(acked).some(({ upTo, holes }) => upTo >= (positions.get(_id) ?? 0) && holes.length === 0),
    );
  const read = () => models.DeliveryRecipient.find(recipient === undefined ? {} : { _id: recipient }).lean<Mailbox[]>();
  while ((await read()).some(isBehind)) await pause(5);
}

interface Mailbox {
  readonly _id: string;
  readonly devices: readonly { acked: Record<string, { upTo: number; holes: number[] }> }[];
}
