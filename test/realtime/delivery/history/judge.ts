import { expect } from 'vitest';
import { keyOf } from '../../../../src/realtime/delivery/message.js';
import { until } from '../../../support/until.js';
import type { Play } from './acts.js';
import type { Device } from './device.js';
import type { Message } from './messages.js';
import type { Answer, Nodes } from './nodes.js';

/** What `GET /users/:userId/deliveries` says of each message, by device. */
type Report = Map<string, Map<string, string>>;

/** What the devices were promised. It is noted when a message is answered. */
export class Promises {
  readonly #claims = new Map<Device, Set<Message>>();
  readonly #answered = new Set<Message>();

  /** Notes the messages that have been answered since the last time, for the devices that are known by now. */
  note({ messages, devices }: Play, known: ReadonlySet<Device>): void {
    for (const message of messages) {
      if (message.answeredAt === undefined || this.#answered.has(message)) continue;
      this.#answered.add(message);
      for (const device of devices)
        if (device.user === message.user && known.has(device)) this.#of(device).add(message);
    }
  }

  /** What a device must have got. */
  owedTo(device: Device): Message[] {
    return [...this.#of(device)].filter(({ hasTtl, begunAt }) => !hasTtl && begunAt > device.clearedUntil);
  }

  /** What a device may have missed, if it was told to load everything again. */
  forgivenBy(device: Device): Message[] {
    const owed = new Set(this.owedTo(device));
    return [...this.#of(device)].filter((message) => !owed.has(message));
  }

  #of(device: Device): Set<Message> {
    const claims = this.#claims.get(device) ?? new Set<Message>();
    this.#claims.set(device, claims);
    return claims;
  }
}

/** Reads the deliveries of a user, page by page. */
export async function readReport(
  { all }: Nodes,
  node: number,
  user: string,
): Promise<{ report: Report; waiting: Map<string, number> }> {
  const report: Report = new Map();
  const waiting = new Map<string, number>();
  for (let before = ''; ; ) {
    let answer: Answer | undefined;
    // Presence waits for Redis, which may have been away a moment ago.
    await until(async () => {
      answer = await all[node]?.call('GET', `/users/${user}/deliveries?event=m&limit=100${before}`);
      return answer?.status === 200;
    });
    const { messages, devices, next } = answer?.data ?? {};
    for (const { id, devices: states } of messages) {
      report.set(id, new Map(states.map(({ deviceId, reason }: Record<string, string>) => [deviceId, reason])));
    }
    for (const device of devices) waiting.set(device.deviceId, device.waiting);
    if (next === null) return { report, waiting };
    before = `&before=${next}`;
  }
}

/** No acknowledgement is made up, and no reason is given that has not happened. */
export async function expectNothingMadeUp(play: Play, nodes: Nodes, about: string): Promise<void> {
  const madeUp: string[] = [];
  for (const [index, user] of play.users.entries()) {
    const { report } = await readReport(nodes, index % nodes.all.length, user);
    for (const message of play.messages.filter((one) => one.user === user && one.id !== undefined)) {
      for (const device of play.devices.filter((one) => one.user === user)) {
        const reason = report.get(message.id ?? '')?.get(device.id);
        if (reason === undefined || isPossible(reason, message, device)) continue;
        const { name, begunAt, answeredAt } = message;
        const isReceived = device.received.has(name);
        const { clearedUntil } = device;
        madeUp.push(
          JSON.stringify({ reason, device: device.id, message, begunAt, answeredAt, isReceived, clearedUntil }),
        );
      }
    }
  }
  expect(madeUp, about).toEqual([]);
}

function isPossible(reason: string, { name, hasTtl, begunAt }: Message, device: Device): boolean {
  if (reason === 'ACKNOWLEDGED') return device.acknowledged.has(name);
  if (reason === 'EXPIRED_TTL') return hasTtl;
  if (reason === 'EXPIRED_CLEARED') return begunAt < device.clearedUntil;
  return !['EXPIRED_OVERFLOW', 'EXPIRED_DEVICE', 'EXPIRED_RESYNC'].includes(reason);
}

/** What is stored is every answered message once, in an order that no sender contradicts; and devices got it in that order. */
export async function expectOrder(play: Play, { environment }: Nodes, about: string): Promise<void> {
  for (const user of play.users) {
    const log = await environment.models.DeliveryEntry.find({ recipient: keyOf({ site: '', userId: user }) })
      .sort({ position: 1 })
      .lean();
    const stored = log.map(({ body }) => (JSON.parse(body) as [string, string])[1]);
    expect(new Set(stored).size, `${about}: a message is stored twice`).toBe(stored.length);
    const places = new Map(stored.map((name, place) => [name, place]));
    const placeOf = (name: string): number => {
      const place = places.get(name);
      if (place === undefined) throw new Error(`${about}: ${name} is not stored`);
      return place;
    };
    const answered = play.messages.filter((message) => message.user === user && message.answeredAt !== undefined);
    for (const message of answered) {
      const earlier = answered.filter(({ answeredAt = 0 }) => answeredAt < message.begunAt);
      const last = Math.max(-1, ...earlier.map(({ name }) => placeOf(name)));
      expect(
        placeOf(message.name),
        `${about}: ${message.name} is stored before one that was answered before`,
      ).toBeGreaterThan(last);
    }
    for (const batch of play.batches) {
      const own = batch.filter((message) => message.user === user && message.answeredAt !== undefined);
      const order = own.map(({ name }) => placeOf(name));
      expect(order, `${about}: a batch`).toEqual(order.toSorted((one, other) => one - other));
    }
    for (const device of play.devices.filter((one) => one.user === user)) {
      for (const { arrivals } of device.everyLink) {
        const order = arrivals.map(placeOf);
        const isRising = order.every((place, index) => index === 0 || place > (order[index - 1] ?? 0));
        expect(isRising, `${about}: ${device.id} of ${user} got ${arrivals.join()}`).toBe(true);
      }
    }
  }
}
