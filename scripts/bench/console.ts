import { CONSOLE_COOKIE } from '#shared/contracts/console.js';
import { Arrivals, openBackends, openReceiver, toBatch } from './delivery-clients.js';
import { toRequest } from './load/http-connection.js';
import type { BenchOptions } from './options.js';
import type { ScenarioResult } from './report.js';
import { beginReport, publish, toResult } from './results.js';
import { type Rig, startRig } from './rig.js';
import { inTurn, openDevices } from './traffic.js';
import { API_KEY, EVENT } from './wire.js';

/*
 * What a console that is open costs everybody else: emits, durable messages, fan-out and connects with no console, with three on
 * the overview, and with three on the live view, which records everything. The variants take turns in each round.
 */

const CONSOLES = 3;
const WINDOW_MS = 2500;
const IN_FLIGHT = 16;
/** As the page of the overview does. */
const POLL_MS = 10_000;
const POLLED = ['/cluster', '/cluster/history?steps=4'];

const CLOSED = 'closed';
const OVERVIEW = `${CONSOLES} on the overview`;
const LIVE = `${CONSOLES} on the live view`;
const VARIANTS = [CLOSED, OVERVIEW, LIVE];

/** Does one thing as often as it can until `isOver`. @returns how often */
type Load = (isOver: () => boolean) => Promise<number>;

/** Runs on the embedded database; publishes a report. */
export async function run({ rounds }: BenchOptions): Promise<void> {
  const report = beginReport('console', [`${rounds} rounds; the variants take turns in each.`]);
  const rig = await startRig({ label: 'embedded', mongodbUrl: undefined, env: { CONSOLE: 'on' } });
  try {
    const cookie = await logIn(rig);
    const arrivals = new Arrivals();
    const devices = await openDevices(rig, arrivals, { prefix: 'console' });
    const loads: [string, Load][] = [
      ['an emit to one socket', createEmits(rig, arrivals, devices.users, toEmit)],
      ['a durable message to one device', createEmits(rig, arrivals, devices.users, toDurable)],
      [`a broadcast to ${devices.users.length}, each`, createBroadcasts(rig, arrivals, devices.users.length)],
      ['a connect and a leave', createConnects(rig)],
    ];
    for (const [name, load] of loads) report.scenarios.push(await measure(rig, { name, load, cookie, rounds }));
    devices.close();
  } finally {
    await rig.stop();
  }
  await publish(report);
}

interface Measured {
  readonly name: string;
  readonly load: Load;
  readonly cookie: string;
  readonly rounds: number;
}

async function measure(rig: Rig, { name, load, cookie, rounds }: Measured): Promise<ScenarioResult> {
  process.stderr.write(`${name}\n`);
  const samples = new Map<string, number[]>(VARIANTS.map((label) => [label, []]));
  for (let round = -1; round < rounds; round += 1) {
    for (const label of inTurn(VARIANTS, round)) {
      const close = await openConsoles(rig, cookie, label);
      const before = (await rig.cpu()).gateway;
      const endsAt = performance.now() + WINDOW_MS;
      const count = await load(() => performance.now() >= endsAt);
      const cost = ((await rig.cpu()).gateway - before) / count;
      close();
      if (round >= 0) samples.get(label)?.push(cost);
    }
  }
  return toResult({
    ...{ name, unit: 'µs CPU of the gateway' },
    lines: [...samples].map(([label, values]) => ({ label, samples: values })),
    comparisons: [OVERVIEW, LIVE].map((of) => ({ of, against: CLOSED })),
  });
}

/** Opens the consoles of a variant. @returns closes them */
async function openConsoles({ port }: Rig, cookie: string, label: string): Promise<() => void> {
  if (label === CLOSED) return () => undefined;
  const controller = new AbortController();
  const get = (path: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${port}/console/api${path}`, {
      headers: { cookie, 'x-console': '1', 'sec-fetch-site': 'same-origin' },
      signal: controller.signal,
    });
  if (label === LIVE) {
    const streams = await Promise.all(Array.from({ length: CONSOLES }, () => get('/live')));
    for (const { body } of streams) body?.pipeTo(new WritableStream()).catch(() => undefined);
    return () => controller.abort();
  }
  const poll = (): void => {
    for (const path of POLLED) {
      get(path).then(
        (response) => response.arrayBuffer(),
        () => undefined,
      );
    }
  };
  // They were opened at different times.
  const timer = setInterval(poll, POLL_MS / CONSOLES);
  poll();
  return () => {
    clearInterval(timer);
    controller.abort();
  };
}

/** @returns the cookie of a session */
async function logIn({ port }: Rig): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/console/api/session`, {
    method: 'POST',
    body: JSON.stringify({ key: API_KEY }),
    headers: { 'content-type': 'application/json', 'x-console': '1', 'sec-fetch-site': 'same-origin' },
  });
  const [cookie = ''] = response.headers.get('set-cookie')?.split(';') ?? [];
  if (!cookie.startsWith(`${CONSOLE_COOKIE}=`)) throw new Error(`no session: ${response.status}`);
  return cookie;
}

const headers = { 'x-api-key': API_KEY };

const toEmit = (user: string, number: number): Buffer =>
  toRequest(`/emit/${user}/${EVENT}`, { body: String(number), headers });

const toDurable = (user: string, number: number): Buffer => toBatch(user, [number]);

type ToCall = (user: string, number: number) => Buffer;

/** Runs lanes at once until it is over. */
async function inLanes(isOver: () => boolean, act: (lane: number) => Promise<void>): Promise<number> {
  let count = 0;
  const runLane = async (lane: number): Promise<void> => {
    while (!isOver()) {
      await act(lane);
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, (_, lane) => runLane(lane)));
  return count;
}

function createEmits(rig: Rig, arrivals: Arrivals, users: readonly string[], toCall: ToCall): Load {
  return async (isOver) => {
    const backends = await openBackends(rig, IN_FLIGHT);
    const all: Promise<unknown>[] = [];
    const count = await inLanes(isOver, async (lane) => {
      const { number, arrived } = arrivals.expect();
      all.push(arrived);
      await backends[lane]?.send(toCall(users[number % users.length] ?? '', number));
    });
    await Promise.all(all);
    for (const backend of backends) backend.close();
    return count;
  };
}

/** @returns counts the deliveries */
function createBroadcasts(rig: Rig, arrivals: Arrivals, receivers: number): Load {
  return async (isOver) => {
    const [backend] = await openBackends(rig, 1);
    let count = 0;
    while (!isOver()) {
      const { number, arrived } = arrivals.expect(receivers);
      await backend?.send(toRequest(`/broadcast/${EVENT}`, { body: String(number), headers }));
      await arrived;
      count += receivers;
    }
    backend?.close();
    return count;
  };
}

function createConnects(rig: Rig): Load {
  const arrivals = new Arrivals();
  let last = 0;
  return (isOver) =>
    inLanes(isOver, async () => {
      last += 1;
      const receiver = await openReceiver(rig, arrivals, `comes-and-goes-${last}`);
      receiver.close();
    });
}
