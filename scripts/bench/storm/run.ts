import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { quantile } from '../statistics.js';
import { EVENT, userIdOf } from '../wire.js';
import type { Counts } from './client.js';
import { namespaceOf, type StormOrder } from './load.js';

/** A gateway in a process of its own. */
export interface StormNode {
  readonly port: number;
  /** Ends it at once, as a crash does. */
  kill(): Promise<void>;
}

/** What a storm needs. */
export interface StormOptions {
  /** Their users exist, see `seedUsers`. */
  readonly clients: number;
  /** The node that is killed, and the one to which its clients come back. */
  readonly nodes: readonly [StormNode, StormNode];
  readonly secret: string;
  readonly apiKey: string;
  /** Commands that the database has had so far. */
  commands(): Promise<number>;
  /** How long the clients may take. */
  readonly limitMs: number;
}

/** What was measured. Times are in milliseconds. */
export interface StormResult {
  /** From the kill until all clients were in. */
  readonly backMs: number;
  /** Clients that were in at the end. */
  readonly entered: number;
  /** Handshakes for each client. */
  readonly attemptsEach: number;
  readonly refused: number;
  readonly explained: number;
  /** Refusals for any other reason. */
  readonly failed: number;
  /** The lag of the event loop as the gateway measures it: the worst second's 99th percentile, and the longest. */
  readonly lagMs: { readonly p99: number; readonly max: number };
  /** Of REST calls, measured from outside. */
  readonly restMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly restFailures: number;
  /** Of the database, for each client, with those of the durable messages. */
  readonly commandsEach: number;
  /** Durable messages that were acknowledged to their sender. */
  readonly durable: number;
  readonly lost: number;
}

const LOADS = 2;
const IN_FLIGHT = 50;
/** Time between two calls. */
const CALL_EVERY_MS = 20;
const DURABLE_EACH_SECOND = 50;
/** Users who get them. */
const RECIPIENTS = 50;
/** Durable messages before the kill, and at most during the storm. */
const DURABLE_BEFORE = 500;

/** How node runs the sources. */
const nodeArguments = ['--import', 'tsx', '--conditions=source'];
const loadScript = fileURLToPath(new URL('./load.ts', import.meta.url));

/** Connects all clients to one node, kills it, and measures the other one until all have come back. */
export async function runStorm(options: StormOptions): Promise<StormResult> {
  const { clients, nodes, secret, limitMs } = options;
  const [killed, survivor] = nodes;
  const loads = Array.from({ length: LOADS }, () => startLoad());
  const askAll = (toOrder: (load: number) => StormOrder): Promise<Counts[]> =>
    Promise.all(loads.map((load, n) => load.ask(toOrder(n))));
  const total = async (): Promise<Counts> => sum(await askAll(() => ({ kind: 'count' })));
  try {
    const each = clients / LOADS;
    await askAll((n) => ({
      kind: 'connect',
      port: killed.port,
      first: n * each,
      count: each,
      inFlight: IN_FLIGHT,
      secret,
    }));
    const durable = new Durables(options, survivor.port);
    await durable.send(DURABLE_BEFORE);
    await until(async () => includesAll((await total()).received, durable.accepted), limitMs);
    await askAll(() => ({ kind: 'lead', port: survivor.port }));
    const before = await total();
    const lag = new Lag(options, survivor.port);
    await lag.read();
    lag.reset();
    const commandsBefore = await options.commands();

    const calls = new Calls(options, survivor.port);
    await calls.connect();
    const startedAt = performance.now();
    await killed.kill();
    calls.start();
    let backMs = Number.NaN;
    while (performance.now() - startedAt < limitMs) {
      await pause(1000);
      await lag.read();
      await durable.send(DURABLE_EACH_SECOND);
      if ((await total()).entered === clients) {
        backMs = performance.now() - startedAt;
        break;
      }
    }
    await calls.stop();
    await lag.read();
    await until(async () => includesAll((await total()).received, durable.accepted), limitMs);
    await settled(options.commands);
    const commands = (await options.commands()) - commandsBefore;
    const after = await total();
    const received = new Set(after.received);
    return {
      backMs,
      entered: after.entered,
      attemptsEach: (after.attempts - before.attempts) / clients,
      refused: after.refused - before.refused,
      explained: after.explained - before.explained,
      failed: after.failed,
      lagMs: lag.worst,
      restMs: calls.percentiles(),
      restFailures: calls.failures,
      commandsEach: commands / clients,
      durable: durable.accepted.size,
      lost: [...durable.accepted].filter((number) => !received.has(number)).length,
    };
  } finally {
    for (const load of loads) load.stop();
  }
}

const includesAll = (received: readonly number[], accepted: ReadonlySet<number>): boolean => {
  const known = new Set(received);
  return [...accepted].every((number) => known.has(number));
};

/** Waits for a condition; without it, the result says what is missing. */
async function until(condition: () => Promise<boolean>, limitMs: number): Promise<void> {
  const giveUpAt = performance.now() + limitMs;
  while (!(await condition()) && performance.now() < giveUpAt) await pause(500);
}

/** Commands in a second that are none of the clients: the look for lost notifications, leases. */
const QUIET_COMMANDS = 20;

/** Waits until the database has done what the clients asked for. */
async function settled(commands: () => Promise<number>): Promise<void> {
  for (let seconds = 0; seconds < 15; seconds += 1) {
    const before = await commands();
    await pause(1000);
    if ((await commands()) - before < QUIET_COMMANDS) return;
  }
}

const sum = (all: readonly Counts[]): Counts => ({
  entered: total(all, 'entered'),
  attempts: total(all, 'attempts'),
  refused: total(all, 'refused'),
  explained: total(all, 'explained'),
  failed: total(all, 'failed'),
  received: all.flatMap(({ received }) => received),
});
const total = (all: readonly Counts[], name: Exclude<keyof Counts, 'received'>): number =>
  all.reduce((count, counts) => count + counts[name], 0);

function startLoad() {
  const child: ChildProcess = fork(loadScript, {
    execArgv: nodeArguments,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return {
    async ask(order: StormOrder): Promise<Counts> {
      const answered = once(child, 'message');
      child.send(order);
      const [counts] = (await answered) as [Counts];
      return counts;
    },
    stop: () => void child.kill('SIGKILL'),
  };
}

interface Caller {
  readonly port: number;
  readonly apiKey: string;
  readonly agent: Agent | false;
}

interface Call {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
}

/** A REST call. @returns its status and body; status 0: no response */
function call(
  { port, apiKey, agent }: Caller,
  { method, path, body }: Call,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve) => {
    const headers = { 'x-api-key': apiKey, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
    const sent = request({ host: '127.0.0.1', port, method, path, headers, agent }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    sent.on('error', () => resolve({ status: 0, text: '' }));
    sent.end(body);
  });
}

/** Connections that a backend keeps open, from before the storm: what it calls by does not change when a node is killed. */
const CALL_CONNECTIONS = 16;

/** Calls at regular times, whether or not the ones before were answered: a backlog counts for each call that waits in it. */
class Calls {
  readonly #times: number[] = [];
  readonly #pending = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CALL_CONNECTIONS });
  readonly #caller: Caller;
  readonly #clients: number;
  failures = 0;
  #count = 0;

  constructor({ clients, apiKey }: StormOptions, port: number) {
    this.#clients = clients;
    this.#caller = { port, apiKey, agent: this.#agent };
  }

  /** Opens the connections. */
  async connect(): Promise<void> {
    const path = `/users/${userIdOf(0)}/presence`;
    await Promise.all(Array.from({ length: CALL_CONNECTIONS }, () => call(this.#caller, { method: 'GET', path })));
  }

  start(): void {
    this.#timer = setInterval(() => {
      const pending = this.#call().finally(() => this.#pending.delete(pending));
      this.#pending.add(pending);
    }, CALL_EVERY_MS);
  }

  async #call(): Promise<void> {
    this.#count += 1;
    const user = userIdOf((this.#count * 7) % this.#clients);
    const isEmit = this.#count % 2 === 0;
    const startedAt = performance.now();
    const { status } = await call(this.#caller, {
      ...(isEmit
        ? { method: 'POST', path: `/emit/${user}/plain`, body: '{}' }
        : { method: 'GET', path: `/users/${user}/presence` }),
    });
    this.#times.push(performance.now() - startedAt);
    if (status !== 200) this.failures += 1;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#pending);
    this.#agent.destroy();
  }

  percentiles(): StormResult['restMs'] {
    const at = (share: number): number => quantile(this.#times, share);
    return { p50: at(0.5), p99: at(0.99), max: at(1) };
  }
}

/**
 * Sends durable messages to some users of `/v1/shared`, in batches. Always the same users: for a new one the gateway reads where the
 * log ends, which would count for the clients.
 */
class Durables {
  readonly accepted = new Set<number>();
  readonly #caller: Caller;
  readonly #users: number[];
  #last = 0;

  constructor({ clients, apiKey }: StormOptions, port: number) {
    this.#caller = { port, apiKey, agent: false };
    const all = Array.from({ length: clients }, (_, n) => n).filter((n) => namespaceOf(n) === '/v1/shared');
    this.#users = all.filter((_, n) => n % Math.ceil(all.length / RECIPIENTS) === 0);
  }

  async send(count: number): Promise<void> {
    const numbers = Array.from({ length: count }, (_, n) => this.#last + n + 1);
    this.#last += count;
    const items = numbers.map((number) => ({
      userId: userIdOf(this.#users[number % this.#users.length] ?? 0),
      event: EVENT,
      payload: number,
      durable: true,
    }));
    const { status, text } = await call(this.#caller, {
      method: 'POST',
      path: '/emit',
      body: JSON.stringify({ items }),
    });
    if (status !== 200) return;
    const { data } = JSON.parse(text) as { data: { items: { success: boolean }[] } };
    for (const [n, { success }] of data.items.entries()) if (success) this.accepted.add(numbers[n] ?? 0);
  }
}

/** The gateway's own measurement, which begins anew with each read. */
class Lag {
  readonly #caller: Caller;
  worst = { p99: 0, max: 0 };

  constructor({ apiKey }: StormOptions, port: number) {
    this.#caller = { port, apiKey, agent: false };
  }

  reset(): void {
    this.worst = { p99: 0, max: 0 };
  }

  async read(): Promise<void> {
    const { text } = await call(this.#caller, { method: 'GET', path: '/metrics' });
    const msOf = (name: string): number =>
      Number(new RegExp(`^nodejs_eventloop_lag_${name}_seconds (\\S+)$`, 'm').exec(text)?.[1] ?? 0) * 1000;
    this.worst = { p99: Math.max(this.worst.p99, msOf('p99')), max: Math.max(this.worst.max, msOf('max')) };
  }
}
