import { GatewayError } from '../../../src/errors.js';
import { keyOf } from '../../../src/realtime/delivery/message.js';
import { PRESENCE_LIMIT_MS } from '../../../src/realtime/presence/index.js';
import { rooms } from '../../../src/realtime/rooms.js';
import { beginFault, FIRST_FAULTS } from './faults.js';
import { PREFIX } from './node.js';
import type { Published } from './redis.js';
import { ROUTES, type User, World, type WorldOptions } from './world.js';

/** A durable message reaches the sockets of its user within this time, by the poll of their nodes if not by a hint. */
const POLLED_MS = 10_000;
/** Without faults everything reaches its sockets within this time. */
const PROMPT_MS = 500;
/** After the last fault: what it has caused is over. */
const SETTLED_MS = 25_000;
/** Then for so long nothing fails. */
const CALM_MS = 20_000;
const CHECK_INTERVAL_MS = 1_500;
/** A node may still get messages to a room for so long after it has released it. */
const RELEASED_MS = 1_000;
const RELEASED_UNDER_FAULTS_MS = 45_000;

/** What {@link simulate} is to do. */
export interface SimulationOptions extends WorldOptions {
  /** Rounds of faults, each followed by a time without. */
  readonly rounds: number;
}

/** What has happened. */
export interface SimulationResult {
  /** Equal for equal seeds, if the code is the same. */
  readonly history: string;
  readonly violations: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
}

/** Runs the nodes through random connects, messages and faults, and checks what they promise. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const world = new World(options);
  world.install();
  try {
    const { time } = world;
    world.onPublish = (published) => checkPublished(world, published);
    await time.runThrough(Promise.all(Array.from({ length: options.nodes }, () => world.startNode())));
    for (const user of world.users) world.connect(user);
    // The first node to end has clients.
    await time.runUntil(time.now + 3_000);
    const actionsMs = 500 / options.nodes;
    const work = setInterval(() => act(world), actionsMs);
    const checks = setInterval(() => void checkPresence(world), CHECK_INTERVAL_MS);
    for (let round = 0; round < options.rounds && world.violations.length === 0; round += 1) {
      await runFaults(world);
      await time.runUntil(time.now + SETTLED_MS);
      world.log.isSlow = false;
      await time.runUntil(time.now + PROMPT_MS);
      world.isStrict = true;
      world.note('strict');
      time.after(CALM_MS / 3, () => world.stopNode());
      await time.runUntil(time.now + CALM_MS);
      world.isStrict = false;
      world.log.isSlow = true;
    }
    clearInterval(work);
    clearInterval(checks);
    // Holders that a power loss has left behind are gone by then.
    await time.runUntil(time.now + 40_000);
    checkDirectory(world);
    checkReceipts(world);
    await time.runThrough(Promise.all(world.nodes.map((node) => node.stop())));
    const counts = {
      nodes: world.nodes.length,
      ...world.counts,
      commands: world.redis.commands,
      sockets: world.receipts.size,
    };
    return { history: world.history(), violations: world.violations, counts };
  } finally {
    world.uninstall();
  }
}

/** Some faults, at times together. */
async function runFaults(world: World): Promise<void> {
  const { time } = world;
  const first = beginFault(world, FIRST_FAULTS);
  world.note(`fault ${first.name}`);
  let { endsAt } = first;
  for (let left = 1 + Math.floor(world.random() * 5); left > 0; left -= 1) {
    const fault = beginFault(world);
    world.note(`fault ${fault.name}`);
    endsAt = Math.max(endsAt, fault.endsAt);
    await time.runUntil(time.now + world.between(10, 12_000));
  }
  await time.runUntil(endsAt);
}

/** One random action: a user connects, disconnects, or is sent something. */
function act(world: World): void {
  const user = world.pick(world.users);
  const choice = world.random();
  // Every other user comes and goes rarely, so that what contacts were told lasts long enough to be checked.
  if (choice < 0.4 && user.isCalm && world.random() < 0.85) return;
  if (choice < 0.25) {
    if (user.sockets.size < 3) world.connect(user);
  } else if (choice < 0.4) {
    if (user.sockets.size > 0) world.disconnect(user, world.pick([...user.sockets]));
  } else if (choice < 0.7) emit(world, user);
  else void send(world, user);
}

function emit(world: World, user: User): void {
  const label = `plain ${world.counts.plain++}`;
  world.note(label);
  const { isStrict } = world;
  const sockets = [...user.sockets];
  world.pick(world.nodes).emit(user.id, label);
  if (!isStrict) return;
  world.time.after(PROMPT_MS, () => {
    for (const socket of sockets)
      if (user.sockets.has(socket) && world.receipts.get(socket)?.plain.includes(label) !== true)
        world.fail(`${label} to ${user.id} did not reach ${socket.id} on ${socket.node.name}`);
  });
}

async function send(world: World, user: User): Promise<void> {
  const label = `durable ${world.counts.durable++}`;
  world.note(label);
  const { isStrict } = world;
  const node = world.pick(world.nodes);
  const sockets = [...user.sockets].filter(({ isOpen }) => isOpen);
  try {
    await node.send(user.id, label);
  } catch (error) {
    world.fail(`${label} was not stored: ${String(error)}`);
    return;
  }
  if (!node.isAlive()) return;
  const limitMs = isStrict ? PROMPT_MS : POLLED_MS;
  world.time.after(limitMs, () => {
    for (const socket of sockets)
      if (user.sockets.has(socket) && world.receipts.get(socket)?.durable.includes(label) !== true)
        world.fail(`${label} to ${user.id} did not reach ${socket.id} on ${socket.node.name} within ${limitMs} ms`);
  });
}

/** No node receives what it need not. */
function checkPublished(world: World, { channel, message, receivers }: Published): void {
  if (message.startsWith('echo ') && receivers > 1)
    world.fail(`the self-check of a node reached ${receivers - 1} others`);
  const toNode = `${ROUTES}to:`;
  if (channel.startsWith(toNode)) {
    const node = world.nodes.find(({ cluster }) => cluster.nodeId === channel.slice(toNode.length));
    const [sender, items] = JSON.parse(message) as [string, [string, unknown][]];
    if (node === undefined || sender === node.cluster.nodeId) return;
    const limitMs = world.isStrict ? RELEASED_MS : RELEASED_UNDER_FAULTS_MS;
    for (const item of items) {
      const concerned = roomsOf(item);
      const isFor = (room: string): boolean =>
        node.holds(room) || world.time.now - (world.releasedAt.get(`${node.name} ${room}`) ?? -1e9) < limitMs;
      if (!concerned.some(isFor)) world.fail(`${node.name} was sent a message to ${concerned.join()}`);
    }
    return;
  }
  const isForAll =
    channel === `${ROUTES}all` || channel.startsWith(`${PREFIX}#/`) || channel.startsWith(`${PREFIX}:bus:delivery.log`);
  if (world.isStrict && isForAll) world.fail(`every node was sent a message over ${channel}: ${message}`);
}

/** The rooms that an item is for. */
function roomsOf([kind, body]: [string, unknown]): readonly string[] {
  if (!kind.startsWith('bus:')) return (body as { rooms: string[] }).rooms;
  return (body as { recipient: string }[]).map(({ recipient }) =>
    rooms.user((JSON.parse(recipient) as string[])[1] ?? ''),
  );
}

/** What a random node says about all users, and what their contacts were told. */
async function checkPresence(world: World): Promise<void> {
  const { isStrict, users, time } = world;
  const askedAt = time.now;
  const isStable = ({ changedAt }: User, forMs: number): boolean => changedAt < askedAt - forMs;
  const gone = new Set(users.filter((user) => user.sockets.size === 0 && isStable(user, PRESENCE_LIMIT_MS)));
  const present = new Map(
    users
      .filter(({ sockets, countChangedAt }) => isStrict && sockets.size > 0 && countChangedAt < askedAt - PROMPT_MS)
      .map((user) => [user, user.sockets.size]),
  );
  if (isStrict) {
    for (const user of users.filter(({ isAnnounced }) => isAnnounced !== undefined))
      if (isStable(user, SETTLED_MS) && user.isAnnounced !== user.sockets.size > 0)
        world.fail(`contacts of ${user.id} were told ${user.isAnnounced}, not ${user.sockets.size > 0}`);
  }
  const node = world.pick(world.nodes);
  try {
    const found = await node.cluster.presence.get(users.map(({ id }) => id));
    for (const [index, user] of users.entries()) {
      const { online = false, connections = 0 } = found[index] ?? {};
      // A user may have come back since the node was asked.
      if (gone.has(user) && online && user.changedAt < askedAt)
        world.fail(`${node.name} shows ${user.id} online ${Math.round(askedAt - user.changedAt)} ms after they left`);
      const expected = present.get(user);
      // It may have changed since it was asked.
      const hasChanged = user.countChangedAt >= askedAt;
      if (expected !== undefined && connections !== expected && !hasChanged)
        world.fail(`${node.name} shows ${connections} sockets of ${user.id}, not ${expected}`);
    }
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    if (isStrict && node.isAlive()) world.fail(`${node.name} knows no presence: ${error.message}`);
  }
}

/** The directory has exactly the rooms that the nodes hold. */
function checkDirectory(world: World): void {
  const { redis, nodes, users } = world;
  const membersOf = (key: string): string[] => redis.command('SMEMBERS', `${ROUTES}${key}`) as string[];
  for (const { id } of users) {
    const holders = membersOf(`holders-of:${rooms.user(id)}`).map((holder) => holder.split('/')[0]);
    const expected = nodes.filter((node) => node.holds(rooms.user(id))).map(({ cluster }) => cluster.nodeId);
    if (holders.toSorted().join() !== expected.toSorted().join())
      world.fail(`the directory has ${holders.join()} for ${id}, not ${expected.join()}`);
  }
  const holders = membersOf('holders').map((holder) => holder.split('/')[0]);
  if (
    holders.toSorted().join() !==
    nodes
      .map(({ cluster }) => cluster.nodeId)
      .toSorted()
      .join()
  )
    world.fail(`the directory has the holders ${holders.join()}`);
  if (membersOf('dead').length > 0) world.fail('the rooms of a dead holder are still in the directory');
}

/** Each socket was sent the durable messages since its connect in order, none twice and none left out; plain ones at most once. */
function checkReceipts(world: World): void {
  for (const [socket, { plain, durable }] of world.receipts) {
    if (new Set(plain).size !== plain.length) world.fail(`${socket.id} was sent a plain event twice`);
    if (durable.length === 0) continue;
    const log = world.log.bodiesOf(keyOf({ site: '', userId: socket.userId })).map((body) => JSON.parse(body)[1]);
    const start = log.indexOf(durable[0]);
    const expected = log.slice(start, start + durable.length);
    if (expected.join() !== durable.join())
      world.fail(`${socket.id} was sent ${durable.join()}, not ${expected.join()}`);
  }
}
