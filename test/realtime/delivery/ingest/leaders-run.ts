import { createTaskTracker } from '../../../../src/platform/concurrency/task-tracker.js';
import type { Clock } from '../../../../src/platform/time/clock.js';
import { type Bus, silentBus } from '../../../../src/realtime/bus.js';
import type { QueueLimits } from '../../../../src/realtime/delivery/devices/queue-limits.js';
import { Appender } from '../../../../src/realtime/delivery/ingest/appender.js';
import { Leaders } from '../../../../src/realtime/delivery/ingest/leaders.js';
import { Sender } from '../../../../src/realtime/delivery/ingest/sender.js';
import { keyOf } from '../../../../src/realtime/delivery/message.js';
import { followAnnouncements } from '../../../../src/realtime/delivery/outbox/notifications.js';
import type { Outboxes } from '../../../../src/realtime/delivery/outbox/outboxes.js';
import type { PushStore } from '../../../../src/realtime/delivery/push/store.js';
import { Log } from '../../../../src/realtime/delivery/storage/log.js';
import { Positions } from '../../../../src/realtime/delivery/storage/positions.js';
import { createNodeCalls } from '../../../../src/realtime/node-calls.js';
import { createRandom } from '../../../support/random.js';
import { SimulatedLog } from '../../simulation/log.js';
import { VirtualTime } from '../../simulation/virtual-time.js';

/** How far clocks differ. It is more than delivery tolerates for new devices, and must not matter for leaders. */
const SKEW_MAX_MS = 30_000;
/** Users of a run; few, so that nodes collide. */
const USERS = 2;
/** A client that has no response by then sends its messages again, to any node. */
const CLIENT_MS = 5000;

/** What {@link runLeaders} is to do. */
export interface LeadersRun {
  readonly seed: number;
  readonly nodes: number;
  /** Virtual time over which clients send. */
  readonly runMs: number;
}

/** What has happened. */
export interface LeadersResult {
  readonly violations: readonly string[];
  readonly counts: { acknowledged: number; forwarded: number; silent: number; repeated: number };
}

/**
 * Nodes store messages of the same users at once, while leaders are stopped (as by SIGSTOP), killed, and cut off, over clocks that
 * differ. Checks that each acknowledged message is stored once, and that each client's messages are stored in its order.
 */
export async function runLeaders({ seed, nodes, runMs }: LeadersRun): Promise<LeadersResult> {
  const { next: random } = createRandom(seed);
  for (let i = 0; i < 10; i += 1) random();
  const time = new VirtualTime(random);
  time.install();
  try {
    return await run(new World(time, random), { nodes, runMs });
  } finally {
    time.uninstall();
  }
}

async function run(world: World, { nodes: count, runMs }: Omit<LeadersRun, 'seed'>): Promise<LeadersResult> {
  const { time } = world;
  for (let n = 0; n < count; n += 1) world.startNode();
  const clients = Array.from(
    { length: USERS * count },
    (_, n) => new Client(world, `user-${n % USERS}`, `client-${n}`),
  );
  const work = clients.map((client) => client.run());
  const faults = setInterval(() => world.beginFault(), 2000);
  await time.runUntil(runMs);
  clearInterval(faults);
  world.log.isSlow = false;
  world.isEnding = true;
  await time.runThrough(Promise.all(work));
  // What a stopped node has not done yet.
  await time.runUntil(time.now + 40_000);
  for (const client of clients) client.check();
  return { violations: world.violations, counts: world.counts };
}

/** The nodes, their network and their log. */
class World {
  readonly time: VirtualTime;
  readonly random: () => number;
  readonly log: SimulatedLog;
  readonly violations: string[] = [];
  readonly counts = { acknowledged: 0, forwarded: 0, silent: 0, repeated: 0 };
  nodes: Node[] = [];
  isEnding = false;
  readonly everStarted: string[] = [];

  constructor(time: VirtualTime, random: () => number) {
    this.time = time;
    this.random = random;
    this.log = new SimulatedLog({ time, random });
    this.log.isSlow = true;
  }

  between(least: number, most: number): number {
    return least + this.random() * (most - least);
  }

  pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.random() * values.length)] as T;
  }

  /** What nodes know of sockets differs, is late, and names nodes that are gone. */
  guessHolders(): string[] {
    const number = Math.floor(this.random() * 3);
    return Array.from({ length: number }, () => this.pick(this.everStarted));
  }

  startNode(): void {
    // Ids of nodes are random: a new one may be the lowest.
    const name = `${Math.floor(this.random() * 1e9)}`.padStart(9, '0');
    const id = `${name}-${this.everStarted.length}`;
    this.everStarted.push(id);
    this.nodes.push(new Node(this, id));
  }

  beginFault(): void {
    // The lowest id is the leader of most.
    const sorted = this.nodes.toSorted((one, other) => (one.id < other.id ? -1 : 1));
    const node = this.random() < 0.6 ? sorted[0] : this.pick(this.nodes);
    if (node === undefined) return;
    const choice = this.random();
    if (choice < 0.5) node.stopFor(this.between(200, 15_000));
    else if (choice < 0.7) node.cutFor(this.between(200, 8000));
    else {
      node.leave(this.random() < 0.5);
      this.nodes = this.nodes.filter((other) => other !== node);
      this.time.after(this.between(100, 3000), () => this.startNode());
    }
  }
}

/** All of a node that stores messages. */
class Node {
  readonly id: string;
  readonly sender: Sender;
  readonly #world: World;
  readonly #listeners = new Map<string, (message: unknown) => void>();
  readonly #skewMs: number;
  #isGone = false;
  #isCut = false;
  /** While it is stopped: what goes on then. */
  #waiting: (() => void)[] | undefined;

  constructor(world: World, id: string) {
    this.#world = world;
    this.id = id;
    this.#skewMs = Math.round(world.between(-SKEW_MAX_MS, SKEW_MAX_MS));
    const clock: Clock = {
      now: () => world.time.unix() + this.#skewMs,
      after: (delayMs, task) => {
        const timer = world.time.after(delayMs, () => this.#runHere(() => timer.isCancelled || task()));
        return () => {
          timer.isCancelled = true;
        };
      },
      every: () => () => undefined,
    };
    const bus = this.#createBus();
    const positions = new Positions(clock);
    const logger = {
      warn: () => {
        world.counts.silent += 1;
      },
    };
    const leaders = new Leaders({ nodeId: id, holdersOf: async () => world.guessHolders(), clock, logger });
    const log = new Log({
      models: { DeliveryEntry: { collection: this.#createCollection() } } as never,
      clock,
      positions,
    });
    this.sender = new Sender({
      positions,
      leaders,
      bus,
      appender: new Appender({ log, positions, leaders, clock, receiptTtlMs: 3_600_000 }),
      nodeCalls: createNodeCalls({ bus, clock, nodeId: id }),
      outboxes,
      limits: { isDue: () => false } as unknown as QueueLimits,
      pushStore: { add: async () => undefined } as unknown as PushStore,
      tasks: createTaskTracker((error) => world.violations.push(String(error))),
      measures: { stored: () => undefined },
    });
    followAnnouncements(bus, { positions, outboxes });
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  stopFor(durationMs: number): void {
    if (this.#waiting !== undefined) return;
    this.#waiting = [];
    this.#world.time.after(durationMs, () => {
      const waiting = this.#waiting ?? [];
      this.#waiting = undefined;
      for (const go of waiting) go();
    });
  }

  cutFor(durationMs: number): void {
    this.#isCut = true;
    this.#world.time.after(durationMs, () => {
      this.#isCut = false;
    });
  }

  /** @param isKilled nothing of it goes on; otherwise it does what it has begun */
  leave(isKilled: boolean): void {
    this.#isCut = true;
    this.#isGone = isKilled;
  }

  receive(topic: string, text: string): void {
    this.#runHere(() => !this.#isCut && this.#listeners.get(topic)?.(JSON.parse(text)));
  }

  /** Runs it when the node is not stopped. */
  #runHere(task: () => unknown): void {
    if (this.#isGone) return;
    if (this.#waiting === undefined) task();
    else this.#waiting.push(task as () => void);
  }

  #here(): Promise<void> {
    return new Promise((resolve) => this.#runHere(resolve));
  }

  #createBus(): Bus {
    const world = this.#world;
    const send = (to: Node, topic: string, message: unknown): void => {
      if (this.#isCut || this.#isGone || to === this) return;
      const text = JSON.stringify(message);
      world.time.after(world.between(0.2, 2), () => to.receive(topic, text));
    };
    return {
      ...silentBus,
      publishTo(to, topic, message) {
        if (message !== null && typeof message === 'object' && 'name' in message) world.counts.forwarded += 1;
        for (const node of world.nodes) if (node.id === to) send(node, topic, message);
      },
      async publishToRooms(topic, messages) {
        // Some hold the rooms.
        for (const node of world.nodes.filter(() => world.random() < 0.5))
          send(
            node,
            topic,
            messages.flatMap((own) => own.messages),
          );
        return { isComplete: true, areHeld: undefined };
      },
      subscribe: (topic, listener) => void this.#listeners.set(topic, listener),
    };
  }

  /** The log, whose responses the node reads when it is not stopped. */
  #createCollection() {
    const { log } = this.#world;
    const through = async <T>(work: () => Promise<T>): Promise<T> => {
      await this.#here();
      const settled = await Promise.allSettled([work()]);
      await this.#here();
      const [result] = settled;
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    };
    return {
      insertOne: (document: never) => through(() => log.insertOne(document)),
      insertMany: (documents: never, options: never) => through(() => log.insertMany(documents, options)),
      findOne: (filter: never, options: never) => through(() => log.findOne(filter, options)),
      find: (filter: never) => ({ toArray: () => through(() => log.find(filter).toArray()) }),
    };
  }
}

const outboxes = { offer: () => 0, notice: () => undefined } as unknown as Outboxes;

/** Sends numbered messages to a user, a few at a time, each group when the one before is acknowledged. */
class Client {
  readonly #world: World;
  readonly #user: string;
  readonly #name: string;
  #count = 0;
  /** Groups whose messages were acknowledged by the first node that was asked. */
  readonly #orderly: string[][] = [];
  readonly #groups: string[][] = [];

  constructor(world: World, user: string, name: string) {
    this.#world = world;
    this.#user = user;
    this.#name = name;
  }

  async run(): Promise<void> {
    const world = this.#world;
    while (!world.isEnding) {
      const group = Array.from({ length: Math.ceil(world.between(0, 3)) }, () => `${this.#name} ${this.#count++}`);
      if (await this.#sendAll(group)) this.#orderly.push(group);
      this.#groups.push(group);
      await world.time.wait(world.between(1, 300));
    }
  }

  /** @returns whether all of them were acknowledged at once */
  async #sendAll(group: readonly string[]): Promise<boolean> {
    const world = this.#world;
    for (let left = group, round = 0; ; round += 1) {
      const node = world.pick(world.nodes);
      const sent = left.map(async (label) => ((await this.#send(node, label)) ? [] : [label]));
      left = (await Promise.all(sent)).flat();
      if (left.length === 0) return round === 0;
      world.counts.repeated += left.length;
      await world.time.wait(world.between(1, 500));
    }
  }

  #send(node: Node | undefined, label: string): Promise<boolean> {
    const { time, counts } = this.#world;
    const message = {
      id: label,
      recipient: { site: '', userId: this.#user },
      namespace: '/v1/shared',
      event: 'm',
      args: [label],
      origin: { node: node?.id ?? '' },
    };
    const sending = node?.sender.send(message).then(
      () => true,
      () => false,
    );
    const limit = time.wait(CLIENT_MS).then(() => false);
    return Promise.race([sending ?? false, limit]).then((isStored) => {
      // A node that has been killed sends no response.
      const isAcknowledged = isStored && node?.isGone === false;
      if (isAcknowledged) counts.acknowledged += 1;
      return isAcknowledged;
    });
  }

  check(): void {
    const { log, violations } = this.#world;
    const bodies = log.bodiesOf(keyOf({ site: '', userId: this.#user }));
    const labels = bodies.map((body) => (JSON.parse(body) as string[])[1] ?? '');
    const own = labels.filter((label) => label.startsWith(`${this.#name} `));
    if (new Set(own).size !== own.length) violations.push(`${this.#name}: a message is stored twice`);
    const places = new Map(own.map((label, index) => [label, index]));
    const placeOf = (label: string): number => {
      const place = places.get(label);
      if (place === undefined) violations.push(`${label} was acknowledged and is not stored`);
      return place ?? -1;
    };
    let last = -1;
    for (const group of this.#groups) {
      const found = group.map(placeOf);
      if (Math.min(...found) <= last) violations.push(`${group.join()} is stored before an earlier group`);
      last = Math.max(last, ...found);
    }
    for (const group of this.#orderly) {
      const found = group.map(placeOf);
      if (found.some((place, index) => index > 0 && place < (found[index - 1] ?? 0)))
        violations.push(`${group.join()} is stored in another order`);
    }
  }
}
