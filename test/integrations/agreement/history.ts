import { setTimeout as sleep } from 'node:timers/promises';
import type { TestEnvironment } from '../../support/environment.js';
import { createRandom } from '../../support/random.js';
import { pickAct } from './acts.js';
import { GoneError } from './ask.js';
import { withBlocks } from './blocks.js';
import { expectCounted, expectPresence, expectReads, expectSame } from './compare.js';
import { type Connection, createDevice, openConnection } from './device.js';
import type { Play } from './play.js';
import { createFaults, createScene, type Faults } from './scene.js';
import { startThirdNode } from './third-node.js';

/** How long clients may take to end with what is stored. */
const SETTLED_MS = 60_000;
/** A third node dies in less than this. */
const DEATH_MS = 1500;
/** Acts that are under way at once. */
const TOGETHER_MAX = 12;

interface Options {
  readonly seed: number;
  readonly acts: number;
  readonly faults: Faults;
  /** A third node takes part, and is killed at the end of the history. */
  readonly hasDeath?: boolean;
}

/** Plays a random history on two nodes, and compares what each client ends with, what is read then, and what is stored. */
export async function expectAgreement(own: TestEnvironment, options: Options): Promise<void> {
  const { seed, acts, faults, hasDeath = false } = options;
  const third = hasDeath ? await startThirdNode(own) : undefined;
  const environment = third?.environment ?? own;
  const random = createRandom(seed);
  const scene = await createScene(environment);
  const devices = scene.people.flatMap((user, index) =>
    Array.from({ length: index < 5 ? 2 : 1 }, () => createDevice(environment, user)),
  );
  const play: Play = { environment, scene, random, devices, countNodes: () => (third?.isAlive() === true ? 3 : 2) };
  await Promise.all(devices.map((device, index) => device.connect(index % play.countNodes())));
  for (const proxy of environment.proxies) proxy.rules = createFaults(random, faults);
  await act(play, acts / 2);
  await withBlocks(play, () => act(play, acts / 2));
  if (third !== undefined) {
    // Nothing is done afterwards: what is done in a conversation tells what was not told of it before.
    await Promise.all([act(play, acts, third.isAlive), third.dieAfter(random.integer(DEATH_MS), devices)]);
  }
  for (const proxy of environment.proxies) proxy.rules = {};
  await compare(play, `seed ${seed}`);
  for (const device of devices) device.disconnect();
}

/** @param goesOn false: before so many acts are done */
async function act(play: Play, count: number, goesOn = () => true): Promise<void> {
  const { random, devices } = play;
  const underWay = new Set<Promise<unknown>>();
  const failures: unknown[] = [];
  const begin = (task: Promise<unknown>): void => {
    const ended = task
      .catch((error: unknown) => {
        if (!(error instanceof GoneError)) failures.push(error);
      })
      .finally(() => underWay.delete(ended));
    underWay.add(ended);
  };
  for (let done = 0; done < count && goesOn(); done += 1) {
    const device = random.pick(devices);
    const { connection } = device;
    const doAct = pickAct(random);
    if (connection === undefined) begin(device.connect(random.integer(play.countNodes())));
    else if (random.chance(0.03)) device.disconnect();
    else begin(doAct(connection, play));
    while (underWay.size >= 1 + random.integer(TOGETHER_MAX)) await Promise.race(underWay);
  }
  await Promise.all(underWay);
  if (failures.length > 0) throw failures[0];
}

/** Repeats a comparison until it holds. */
async function eventually(check: () => void | Promise<void>): Promise<void> {
  for (const end = Date.now() + SETTLED_MS; ; await sleep(500)) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
}

/** Compares what each client shows, what is read then, and what is stored. */
export async function compare(
  { environment, devices, random }: Pick<Play, 'environment' | 'devices' | 'random'>,
  about: string,
): Promise<void> {
  const connections = devices.flatMap(({ connection }) => connection ?? []);
  const connected = new Set(connections.map(({ user }) => user.id));
  // The last of what changes by itself: users who have gone count as online for a while.
  for (const one of connections) {
    await eventually(() => expectPresence(one, connected, `${about}, ${one.user.name}`));
  }
  const fresh: Connection[] = [];
  const readFresh = async ({ user }: Connection): Promise<Connection> => {
    const known = fresh.find((one) => one.user.id === user.id);
    await known?.load();
    if (known !== undefined) return known;
    const opened = await openConnection(environment, user, random.integer(2));
    fresh.push(opened);
    return opened;
  };
  for (const one of connections) {
    const where = `${about}, ${one.user.name} on node ${one.node}`;
    await eventually(async () => {
      const reader = await readFresh(one);
      await expectCounted(environment, reader, where);
      await expectReads(environment, one, where);
      expectSame(one, reader, where);
    });
  }
  for (const one of fresh) one.close();
}
