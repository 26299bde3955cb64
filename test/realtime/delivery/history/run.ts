import { expect } from 'vitest';
import { createRandom } from '../../../support/random.js';
import { until } from '../../../support/until.js';
import { type Play, pickAct } from './acts.js';
import { Device, NAMESPACES } from './device.js';
import { Faults } from './faults.js';
import { expectNothingMadeUp, expectOrder, Promises, readReport } from './judge.js';
import { Timeline } from './messages.js';
import { type Nodes, startNodes } from './nodes.js';

/** Acts that are under way at once. */
const TOGETHER_MAX = 10;

interface History {
  readonly seed: number;
  readonly acts: number;
  readonly users: number;
}

/**
 * A random history of durable messages on two nodes. The oracle: of each message that was answered with success exactly the devices
 * that it was promised to have it, in order, and none comes again after the last acknowledgement; what the gateway says of it
 * agrees with what the clients did.
 */
export async function runHistory({ seed, acts, users: userCount }: History): Promise<void> {
  const about = `seed ${seed}`;
  const random = createRandom(seed);
  const nodes = await startNodes(2);
  const timeline = new Timeline();
  const users = Array.from({ length: userCount }, (_, n) => `user-${n}`);
  const devices = users.flatMap((user) => ['device 0', 'device 1'].map((id) => new Device(user, id, timeline)));
  const play: Play = { random, timeline, nodes: nodes.all, users, devices, messages: [], batches: [] };
  const promises = new Promises();
  const faults = new Faults(nodes, random);
  try {
    await act(play, { acts, faults, promises });
    await faults.end();
    await expectNothingMadeUp(play, nodes, about);
    await expectAllDelivered(play, nodes, promises, about);
    await expectNoneAgain(play, nodes, about);
    await expectOrder(play, nodes, about);
  } finally {
    for (const device of devices) for (const link of [...device.links]) link.close();
    await nodes.close();
  }
}

async function act(play: Play, { acts, faults, promises }: { acts: number; faults: Faults; promises: Promises }) {
  const { random, devices } = play;
  const underWay = new Set<Promise<unknown>>();
  const failures: unknown[] = [];
  for (let done = 0; done < acts; done += 1) {
    // Known before the act began: what the act sends is promised to these.
    const known = new Set(devices.filter(({ isKnown }) => isKnown));
    const ended = Promise.resolve(pickAct(random)(play))
      .then(() => promises.note(play, known))
      .catch((error: unknown) => failures.push(error))
      .finally(() => underWay.delete(ended));
    underWay.add(ended);
    if (random.chance(0.01)) faults.begin();
    while (underWay.size >= 1 + random.integer(TOGETHER_MAX)) await Promise.race(underWay);
  }
  await Promise.all(underWay);
  if (failures.length > 0) throw failures[0];
}

/** Every device connects to every namespace, and acknowledges all that it gets. */
async function connectAll({ devices, nodes }: Play, shift: number): Promise<void> {
  for (const device of devices) for (const link of [...device.links]) link.close();
  await Promise.all(
    devices.flatMap((device, index) =>
      NAMESPACES.map((namespace) => device.open(nodes[(index + shift) % nodes.length]?.url ?? '', namespace)),
    ),
  );
}

async function expectAllDelivered(play: Play, nodes: Nodes, promises: Promises, about: string): Promise<void> {
  await connectAll(play, 0);
  for (const device of play.devices) {
    const owed = promises.owedTo(device);
    const limit = Date.now() + 60_000;
    const missing = () => owed.filter(({ name }) => !device.received.has(name)).map(({ name }) => name);
    await until(() => missing().length === 0 || Date.now() > limit);
    expect(missing(), `${about}: ${device.id} of ${device.user}`).toEqual([]);
    for (const { name, begunAt, hasTtl } of promises.forgivenBy(device)) {
      if (device.received.has(name)) continue;
      const where = `${about}: ${device.id} of ${device.user} was not told that it lost ${name} (ttl ${hasTtl})`;
      await until(() => device.resyncedAt > begunAt || Date.now() > limit);
      expect(device.resyncedAt, where).toBeGreaterThan(begunAt);
    }
  }
  for (const [index, user] of play.users.entries()) {
    const own = play.devices.filter((device) => device.user === user);
    await until(async () => {
      const { waiting } = await readReport(nodes, index % 2, user);
      return own.every(({ id }) => (waiting.get(id) ?? 0) === 0);
    });
    const { report } = await readReport(nodes, (index + 1) % 2, user);
    for (const device of own) {
      for (const { id = '', name } of promises.owedTo(device)) {
        expect(report.get(id)?.get(device.id), `${about}: ${name} to ${device.id} of ${user}`).toBe('ACKNOWLEDGED');
      }
    }
  }
}

/** All is acknowledged: on the other node nothing comes but what is sent then. */
async function expectNoneAgain(play: Play, nodes: Nodes, about: string): Promise<void> {
  await connectAll(play, 1);
  const last = play.users.flatMap((user) => NAMESPACES.map((namespace) => ({ user, namespace })));
  for (const { user, namespace } of last) {
    const name = `last of ${namespace}`;
    const message = {
      name,
      user,
      namespace,
      hasTtl: false,
      begunAt: play.timeline.next(),
      answeredAt: undefined,
      id: undefined,
    };
    play.messages.push(message);
    const answer = await nodes.all[0]?.call('POST', `/emit/${user}/m?durable=true&namespace=${namespace}`, name);
    expect(answer?.status).toBe(200);
  }
  for (const device of play.devices) {
    for (const link of device.links) {
      const name = `last of ${link.namespace}`;
      await until(() => link.arrivals.includes(name));
      expect(link.arrivals, `${about}: ${device.id} of ${device.user}`).toEqual([name]);
    }
  }
}
