import { setTimeout as pause } from 'node:timers/promises';
import { CONSOLE_COOKIE } from '#shared/contracts/console.js';
import { Arrivals, openBackends, openReceiver, toBatch } from './delivery-clients.js';
import { toRequest } from './load/http-connection.js';
import type { BenchOptions } from './options.js';
import { settled } from './processes.js';
import type { ScenarioResult } from './report.js';
import { beginReport, publish, toResult } from './results.js';
import { type Rig, startRig } from './rig.js';
import { inTurn, repeat } from './rounds.js';
import { openDevices } from './traffic.js';
import { API_KEY, EVENT } from './wire.js';

/*
 * What open consoles cost: a second of a gateway at rest, and emits, durable messages, fan-out and connects. The variants take
 * turns in each round. The gateway is at rest before and after each window, so that a window has all of its own work and
 * nothing of another.
 */

const WINDOW_MS = 2500;
const IN_FLIGHT = 16;
/** As the page of the overview does. */
const POLL_MS = 10_000;
const POLLED = ['/cluster', '/cluster/history?steps=4'];

/** Consoles that are open. */
interface Variant {
  readonly label: string;
  readonly overviews: number;
  readonly lives: number;
}

const CLOSED: Variant = { label: 'closed', overviews: 0, lives: 0 };
const FEW: readonly Variant[] = [
  CLOSED,
  { label: '3 on the overview', overviews: 3, lives: 0 },
  { label: '3 on the live view', overviews: 0, lives: 3 },
];
const MANY: readonly Variant[] = [...FEW, { label: '100 on the overview', overviews: 100, lives: 0 }];

/** The load of a window follows neither the admission of clients, nor users who went offline in an earlier one. */
const SETTINGS = { CONSOLE: 'on', ADMISSION_PER_SECOND: '0', PRESENCE_GRACE_MS: '0' };

/** Does one thing as often as it can until `isOver`. @returns how often */
type Load = (isOver: () => boolean) => Promise<number>;

/** Runs on the embedded database; publishes a report. */
export async function run({ rounds }: BenchOptions): Promise<void> {
  const report = beginReport('console', [`${rounds} rounds; the variants take turns in each.`]);
  const rig = await startRig({ label: 'embedded', mongodbUrl: undefined, env: SETTINGS });
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
    const rest = { name: 'a second at rest', load: rests, variants: MANY };
    const all = [rest, ...loads.map(([name, load]) => ({ name, load, variants: FEW }))];
    for (const one of all) report.scenarios.push(await measure(rig, { ...one, cookie, rounds }));
    devices.close();
  } finally {
    await rig.stop();
  }
  await publish(report);
}

interface Measured {
  readonly name: string;
  readonly load: Load;
  readonly variants: readonly Variant[];
  readonly cookie: string;
  readonly rounds: number;
}

async function measure(rig: Rig, { name, load, variants, cookie, rounds }: Measured): Promise<ScenarioResult> {
  process.stderr.write(`${name}\n`);
  const lines = await repeat(rounds, async (add, round) => {
    for (const variant of inTurn(variants, round)) {
      const close = await openConsoles(rig, cookie, variant);
      await settled(rig.pids.server);
      const before = (await rig.cpu()).gateway;
      const endsAt = performance.now() + WINDOW_MS;
      const count = await load(() => performance.now() >= endsAt);
      await settled(rig.pids.server);
      add(variant.label, ((await rig.cpu()).gateway - before) / count);
      close();
    }
  });
  return toResult({
    name,
    unit: 'µs CPU of the gateway',
    lines,
    comparisons: variants.slice(1).map(({ label }) => ({ of: label, against: CLOSED.label })),
  });
}

/** Opens the consoles of a variant. @returns closes them */
async function openConsoles({ port }: Rig, cookie: string, { overviews, lives }: Variant): Promise<() => void> {
  const controller = new AbortController();
  const get = (path: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${port}/console/api${path}`, {
      headers: { cookie, 'x-console': '1', 'sec-fetch-site': 'same-origin' },
      signal: controller.signal,
    });
  const streams = await Promise.all(Array.from({ length: lives }, () => get('/live')));
  for (const { body } of streams) body?.pipeTo(new WritableStream()).catch(() => undefined);
  const poll = (): void => {
    for (const path of POLLED) {
      get(path).then(
        (response) => response.arrayBuffer(),
        () => undefined,
      );
    }
  };
  // They were opened at different times.
  const timer = overviews === 0 ? undefined : setInterval(poll, POLL_MS / overviews);
  if (overviews > 0) poll();
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

/** @returns seconds */
async function rests(): Promise<number> {
  await pause(WINDOW_MS);
  return WINDOW_MS / 1000;
}

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
