import type { Random } from '../../../support/random.js';
import { Device, NAMESPACES } from './device.js';
import type { Message, Timeline } from './messages.js';
import type { Answer, Node } from './nodes.js';

/** What a history runs with. */
export interface Play {
  readonly random: Random;
  readonly timeline: Timeline;
  readonly nodes: readonly Node[];
  readonly users: readonly string[];
  readonly devices: Device[];
  readonly messages: Message[];
  /** The items of batches whose order is promised. */
  readonly batches: Message[][];
}

/** Devices of a user beyond those that it began with. */
const DEVICES_MAX = 5;
/** Connections of one device: tabs, on any node and namespace. */
const LINKS_MAX = 3;

type Act = (play: Play) => unknown;

function begin({ random, timeline, messages, users }: Play, options: Partial<Message> = {}): Message {
  const message: Message = {
    name: `message ${messages.length}`,
    user: random.pick(users),
    namespace: random.pick([...NAMESPACES, NAMESPACES[0], '*']),
    hasTtl: random.chance(0.1),
    begunAt: timeline.next(),
    answeredAt: undefined,
    id: undefined,
    ...options,
  };
  messages.push(message);
  return message;
}

function answered({ timeline }: Play, message: Message, { id }: { id: string }): void {
  message.answeredAt ??= timeline.next();
  message.id ??= id;
}

const optionsOf = ({ namespace, hasTtl }: Message) => ({ namespace, durable: true, ...(hasTtl && { ttl: 1 }) });

const queryOf = (message: Message): string =>
  new URLSearchParams(Object.entries(optionsOf(message)).map(([name, value]) => [name, String(value)])).toString();

async function send(play: Play): Promise<void> {
  const message = begin(play);
  const answer = await play.random
    .pick(play.nodes)
    .call('POST', `/emit/${message.user}/m?${queryOf(message)}`, message.name);
  if (answer?.status === 200) answered(play, message, answer.data);
}

/** Sends with a key, to both nodes at once now and then, until it has an answer. */
async function sendWithKey(play: Play): Promise<void> {
  const { random, nodes } = play;
  const message = begin(play);
  const call = (node: Node): Promise<Answer | undefined> =>
    node.call('POST', `/emit/${message.user}/m?${queryOf(message)}`, message.name, { 'idempotency-key': message.name });
  for (let attempts = 0; attempts < 10; attempts += 1) {
    const asked = random.chance(0.3) ? nodes : [random.pick(nodes)];
    const answers = await Promise.all(asked.map(call));
    const ids = answers.flatMap((answer) => (answer?.status === 200 ? answer.data.id : []));
    for (const id of ids) {
      answered(play, message, { id });
      if (message.id !== id) throw new Error(`${message.name} has two ids`);
    }
    if (ids.length > 0) return;
  }
}

async function sendBatch(play: Play): Promise<void> {
  const { random, nodes } = play;
  const sent = Array.from({ length: 1 + random.integer(8) }, () => begin(play));
  const items = sent.map((message) => ({
    userId: message.user,
    event: 'm',
    payload: message.name,
    ...optionsOf(message),
    ...(random.chance(0.5) && { idempotencyKey: message.name }),
  }));
  // Two batches with the same keys, the other way round, must store each item once.
  const keyed = items.filter((item) => 'idempotencyKey' in item).toReversed();
  const isRaced = keyed.length > 0 && random.chance(0.1);
  if (!isRaced) play.batches.push(sent);
  const [answer] = await Promise.all([
    random.pick(nodes).call('POST', '/emit', { items }),
    isRaced ? random.pick(nodes).call('POST', '/emit', { items: keyed }) : undefined,
  ]);
  if (answer?.status !== 200) return;
  for (const [index, result] of answer.data.items.entries()) {
    const message = sent[index];
    if (message !== undefined && result.success) answered(play, message, result.data);
  }
}

async function connect({ random, nodes, devices }: Play): Promise<void> {
  const device = random.pick(devices);
  const alive = nodes.filter(({ isAlive }) => isAlive);
  if (device.links.length >= LINKS_MAX || alive.length === 0) return;
  const habits = random.pick([['now'], ['now', 'late'], ['late'], ['now', 'never'], ['never']] as const);
  await device.open(random.pick(alive).url, random.pick(NAMESPACES), () => random.pick(habits)).catch(() => undefined);
}

function addDevice(play: Play): Promise<void> {
  const { random, devices, users, timeline } = play;
  const user = random.pick(users);
  const count = devices.filter((device) => device.user === user).length;
  if (count < DEVICES_MAX) devices.push(new Device(user, `device ${count}`, timeline));
  return connect(play);
}

function pickLink({ random, devices }: Play) {
  const links = devices.flatMap((device) => device.links);
  return links.length === 0 ? undefined : random.pick(links);
}

/** An operator clears the queue of a device. */
async function clear({ random, nodes, devices, timeline }: Play): Promise<void> {
  const device = random.pick(devices);
  const path = `/users/${device.user}/device/messages?deviceId=${encodeURIComponent(device.id)}`;
  await random.pick(nodes).call('DELETE', path);
  device.clearedUntil = timeline.next();
}

const acts: readonly (readonly [weight: number, act: Act])[] = [
  [6, send],
  [4, sendWithKey],
  [3, sendBatch],
  [6, connect],
  [0.3, addDevice],
  [2, (play) => pickLink(play)?.cut()],
  [2, (play) => pickLink(play)?.close()],
  [8, (play) => pickLink(play)?.acknowledgeOne(play.random)],
  [0.3, clear],
  [0.5, ({ random, nodes }) => random.pick(nodes).call('POST', '/broadcast/noise', {})],
  [0.5, ({ random, nodes, users }) => random.pick(nodes).call('GET', `/users/${random.pick(users)}/deliveries`)],
];
const total = acts.reduce((sum, [weight]) => sum + weight, 0);

/** Picks one of the acts by their weights. */
export function pickAct(random: Random): Act {
  let left = random.next() * total;
  for (const [weight, act] of acts) {
    left -= weight;
    if (left < 0) return act;
  }
  return send;
}
