import jwt from 'jsonwebtoken';
import { io } from 'socket.io-client';
import { Arrivals, openBackends, toBatch } from './delivery-clients.js';
import { toRequest } from './load/http-connection.js';
import type { BenchOptions } from './options.js';
import type { ScenarioResult } from './report.js';
import { beginReport, publish, toResult } from './results.js';
import { type Rig, startRig } from './rig.js';
import { inTurn, repeat } from './rounds.js';
import { API_KEY, EVENT, NAMESPACE, SECRET } from './wire.js';

/*
 * Cost of what only some ask for: `GET /tail`, open and closed, and the ids of durable messages (`auth.deliveryIds`). The
 * variants take turns in each round.
 */

const USERS = 100;
const MESSAGES = 2000;
const IN_FLIGHT = 16;

/** Runs on the embedded database; publishes a report. */
export async function run({ rounds }: BenchOptions): Promise<void> {
  const report = beginReport('traffic', [`${rounds} rounds; the variants take turns in each.`]);
  const rig = await startRig({ label: 'embedded', mongodbUrl: undefined });
  try {
    report.scenarios.push(await measureTail(rig, rounds), await measureIds(rig, rounds));
  } finally {
    await rig.stop();
  }
  await publish(report);
}

/** Connects one device of each user. */
export async function openDevices({ port }: Rig, arrivals: Arrivals, { prefix, deliveryIds = false }: Devices) {
  const users = Array.from({ length: USERS }, (_, n) => `${prefix}-${n}`);
  const sockets = await Promise.all(
    users.map(async (uid) => {
      const token = jwt.sign({ uid, account_id: 'a', scope: 'conversation' }, SECRET, { expiresIn: '8h' });
      const auth = { token, deviceId: 'device', ...(deliveryIds && { deliveryIds }) };
      const socket = io(`http://127.0.0.1:${port}${NAMESPACE}`, { transports: ['websocket'], forceNew: true, auth });
      socket.on(EVENT, (number: number, ...more: unknown[]) => {
        arrivals.arrive(number);
        const acknowledge = more.at(-1);
        if (typeof acknowledge === 'function') acknowledge();
      });
      await new Promise<void>((resolve) => socket.once('connect', resolve));
      return socket;
    }),
  );
  return { users, close: () => sockets.forEach((socket) => void socket.close()) };
}

interface Devices {
  readonly prefix: string;
  /** Whether they ask for the ids of durable messages. */
  readonly deliveryIds?: boolean;
}

/** CPU time of the gateway for each of some messages, in microseconds. */
async function costOf(rig: Rig, arrivals: Arrivals, send: (number: number, index: number) => Promise<unknown>) {
  const before = (await rig.cpu()).gateway;
  let next = 0;
  const all: Promise<unknown>[] = [];
  const run = async (lane: number): Promise<void> => {
    while (next < MESSAGES) {
      next += 1;
      const { number, arrived } = arrivals.expect();
      all.push(arrived);
      await send(number, lane);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, (_, lane) => run(lane)));
  await Promise.all(all);
  return ((await rig.cpu()).gateway - before) / MESSAGES;
}

/** Reads `GET /tail` until it is ended. @returns ends it */
async function openTail({ port }: Rig, query = ''): Promise<() => void> {
  const controller = new AbortController();
  const response = await fetch(`http://127.0.0.1:${port}/tail${query}`, {
    headers: { 'x-api-key': API_KEY },
    signal: controller.signal,
  });
  response.body?.pipeTo(new WritableStream()).catch(() => undefined);
  return () => controller.abort();
}

const CLOSED = 'closed';
const OPEN = 'open';
const FILTERED = 'open, for one other user';

async function measureTail(rig: Rig, rounds: number): Promise<ScenarioResult> {
  const arrivals = new Arrivals();
  const { users, close } = await openDevices(rig, arrivals, { prefix: 'tail', deliveryIds: false });
  const backends = await openBackends(rig, IN_FLIGHT);
  const headers = { 'x-api-key': API_KEY };
  const send = (number: number, lane: number) =>
    backends[lane]?.send(toRequest(`/emit/${users[number % USERS]}/${EVENT}`, { body: String(number), headers })) ??
    Promise.resolve();
  const lines = await repeat(rounds, async (add, round) => {
    for (const label of inTurn([CLOSED, OPEN, FILTERED], round)) {
      const end = label === CLOSED ? undefined : await openTail(rig, label === FILTERED ? '?user=other' : '');
      const cost = await costOf(rig, arrivals, send);
      end?.();
      add(label, cost);
    }
  });
  for (const backend of backends) backend.close();
  close();
  return toResult({
    name: 'an emit, with the tail',
    unit: 'µs CPU of the gateway',
    lines,
    comparisons: [OPEN, FILTERED].map((of) => ({ of, against: CLOSED })),
  });
}

const WITHOUT = 'without ids';
const WITH = 'with ids';

async function measureIds(rig: Rig, rounds: number): Promise<ScenarioResult> {
  const arrivals = new Arrivals();
  const devices = {
    [WITHOUT]: await openDevices(rig, arrivals, { prefix: 'plain', deliveryIds: false }),
    [WITH]: await openDevices(rig, arrivals, { prefix: 'ids', deliveryIds: true }),
  };
  const backends = await openBackends(rig, IN_FLIGHT);
  const lines = await repeat(rounds, async (add, round) => {
    for (const label of inTurn([WITHOUT, WITH] as const, round)) {
      const { users } = devices[label];
      const cost = await costOf(rig, arrivals, async (number, lane) =>
        backends[lane]?.send(toBatch(users[number % USERS] ?? '', [number])),
      );
      add(label, cost);
    }
  });
  for (const backend of backends) backend.close();
  for (const { close } of Object.values(devices)) close();
  return toResult({
    name: 'a durable message to one device',
    unit: 'µs CPU of the gateway',
    lines,
    comparisons: [{ of: WITH, against: WITHOUT }],
  });
}
