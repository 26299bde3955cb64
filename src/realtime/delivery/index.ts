/**
 * Delivery that is acknowledged.
 *
 * A message is stored for each device of its recipient, then sent, and taken away when the device has acknowledged it.
 * Its way has five steps:
 *
 * 1. **Number** (`numbers.ts`). The message takes the next number of its recipient's mailbox; the same database call
 *    tells which devices there are. Numbers only rise, on whatever node: what is sent after an earlier message was
 *    answered has the higher number. Numbers may be left unused.
 * 2. **Store** (`mailbox.ts`). One entry for each device, or one for nobody yet when no device is known. Everything that
 *    arrives in one turn of the event loop is one insert. Only now does the caller get its answer, so an answer means
 *    that the message survives the end of every node.
 * 3. **Offer**. The entries are offered to the outboxes of this node, and told to the other nodes, which offer them to
 *    theirs. This word may be lost: every few seconds each node compares the last number of the mailboxes of its own
 *    sockets with what it has sent, and looks for what is missing.
 * 4. **Send** (`outbox.ts`). What waited when a socket connected goes out in batches, what comes later by itself, in
 *    order of the numbers: a gap is looked into before anything overtakes it.
 * 5. **Acknowledge**. The entry leaves the queue of that device alone; all acknowledgements of one turn are one write.
 *    What is never acknowledged comes again at the next connect.
 *
 * So a device gets every message at least once and in order, and twice only if its acknowledgement was lost. What is cut
 * off by a limit is said: the device gets `_resync` at its next connect.
 */
import type { Models } from '#shared/models/index.js';
import { GatewayError } from '../../errors.js';
import { createBackground } from '../../platform/background.js';
import type { Clock } from '../../platform/clock.js';
import type { Logger } from '../../platform/logger.js';
import type { GatewaySocket } from '../../transport/dispatch.js';
import type { Bus } from '../bus.js';
import { createDevices } from './devices.js';
import { type Hint, toHint } from './hint.js';
import { createMailbox, type MessageStatus } from './mailbox.js';
import { type Entry, isHeardOn, keyOf, newId, type OutgoingMessage, type Recipient, recipientOf } from './message.js';
import { type Device, Outbox } from './outbox.js';
import type { PushStore } from './push-store.js';

export type { OutgoingMessage, Recipient } from './message.js';

/** How often a node makes good for words that were lost. Well under the 10 s that are promised. */
const LOOK_INTERVAL_MS = 4000;
/** How often the devices that are connected here are noted as being there. */
const REFRESH_INTERVAL_MS = 30_000;
/** Mailboxes that one query of a pass asks for. */
const PASS_CHUNK = 1000;
const TOPIC = 'delivery';

/** What became of a message that was stored. */
export interface SentMessage {
  readonly id: string;
  /** Sockets of this node that were offered it. */
  readonly sockets: number;
}

/** The mailbox of every recipient, and what goes out of it over the sockets of this node. */
export interface Delivery {
  /** Stores, then sends. @throws GatewayError `UNAVAILABLE` when the database cannot be reached: nothing was sent */
  send(message: OutgoingMessage): Promise<SentMessage>;
  /**
   * A device is about to connect: from now on messages are kept for it, so that none is lost between its being let in
   * and its mailbox being open.
   */
  expect(recipient: Recipient, deviceId: string): Promise<void>;
  /**
   * Ties a socket to the mailbox of its user. The first thing it gets is what waited.
   * @param onReady called before that, when the database has answered
   */
  connect(socket: GatewaySocket, recipient: Recipient, onReady?: () => void): void;
  /** The socket is gone. */
  disconnect(socket: GatewaySocket, recipient: Recipient): void;
  /** Begins to listen to the other nodes and to make good. */
  start(): void;
  /** Ends when what was acknowledged until now is stored, and which devices were there. */
  stop(): Promise<void>;
  /** What became of a message whose receipt is kept; `undefined` for one that is unknown or too long ago. */
  statusOf(id: string): Promise<MessageStatus | undefined>;
  /** A message was shown by push. */
  markPushed(id: string): Promise<void>;
}

/** The sockets of this node that have a mailbox. */
export interface MailboxSockets {
  of(recipient: Recipient): GatewaySocket[];
  all(): Iterable<{ recipient: Recipient; socket: GatewaySocket }>;
}

interface Dependencies {
  sockets: MailboxSockets;
  models: Models;
  clock: Clock;
  logger: Logger;
  bus: Bus;
  /** Where the pushes are that follow messages which nobody acknowledges. */
  pushStore: PushStore;
  settings: { deviceTtlMs: number; mailboxMax: number; receiptTtlMs: number };
}

/** Delivery over the database of the models. */
export function createDelivery(dependencies: Dependencies): Delivery {
  const { sockets, models, clock, logger, bus, pushStore, settings } = dependencies;
  const isHere = (recipient: string, deviceId: string, namespace: string): boolean =>
    socketsOf({ recipient, deviceId }).some(({ nsp }) => isHeardOn(nsp.name, namespace));
  const mailbox = createMailbox({ models, clock, pushStore, isHere, ...settings });
  const devices = createDevices({ model: models.DeliveryRecipient, mailbox, clock, ttlMs: settings.deviceTtlMs });
  const stops: (() => void)[] = [];
  const report = (error: unknown): void => logger.warn({ err: error }, 'delivery: the database failed; trying again');
  const background = createBackground(report);

  const socketsOf = ({ recipient, deviceId }: Device): GatewaySocket[] =>
    sockets.of(recipientOf(recipient)).filter((socket) => socket.data.deviceId === deviceId);

  /** An idle socket has no outbox. One that is made later knows of nothing, so its first message makes it look. */
  const outboxOf = (socket: GatewaySocket, recipient: string): Outbox => {
    const device = { recipient, deviceId: socket.data.deviceId };
    socket.data.outbox ??= new Outbox(socket, device, { ...outboxDependencies, phase: 'live' });
    return socket.data.outbox;
  };
  const outboxesOf = (device: Device): Outbox[] => socketsOf(device).flatMap(({ data }) => data.outbox ?? []);

  /** Offers an entry to the sockets of its device here. @returns how many there are */
  const offer = (entry: Entry): number => {
    const { recipient, device, seq } = entry;
    const here = sockets.of(recipientOf(recipient));
    // Stored before any device was known: the first that is here takes it.
    const addressed = device === null ? here.slice(0, 1) : here.filter(({ data }) => data.deviceId === device);
    for (const outbox of addressed.map((socket) => outboxOf(socket, recipient))) {
      if (device === null) outbox.look(seq);
      else outbox.offer(entry);
    }
    return addressed.length;
  };

  const acknowledge = async (outbox: Outbox, entries: readonly Entry[]): Promise<void> => {
    const overtaken = outbox.overtakenBy(entries);
    for (const sibling of outboxesOf(outbox.device)) for (const entry of entries) sibling.settle(entry);
    await Promise.all(entries.map(mailbox.acknowledge));
    // Another socket of the device may have acknowledged it meanwhile.
    if (overtaken !== undefined && (await mailbox.isPending(overtaken))) await startOver(outbox.device);
  };

  /** The device has missed something that it cannot do without: its queue is of no use any more. */
  const startOver = async (device: Device): Promise<void> => {
    await mailbox.lose({ recipient: device.recipient, device: device.deviceId }, 'resync');
    for (const outbox of outboxesOf(device)) {
      outbox.unacknowledged.clear();
      outbox.socket.emit('_resync');
    }
  };

  const outboxDependencies = {
    mailbox,
    now: clock.now,
    acknowledge: (outbox: Outbox, entries: readonly Entry[]) => background.run(acknowledge(outbox, entries)),
    sent: (entry: Entry) => background.run(mailbox.markSent(entry)),
    failed: report,
  };

  const open = async (outbox: Outbox, onReady: () => void): Promise<void> => {
    const { device, socket } = outbox;
    const { last, isCut, isOnly } = await devices.register(device);
    onReady();
    if (isCut && (await devices.takeCut(device))) socket.emit('_resync');
    if (isOnly && last > 0) await mailbox.claim(device.recipient, device.deviceId);
    await outbox.catchUp(last);
    if (outbox.isUnused) socket.data.outbox = undefined;
  };

  /** Tries until the database has answered or the socket is gone. */
  const openWithRetry = (outbox: Outbox, onReady: () => void): void => {
    open(outbox, onReady).catch((error: unknown) => {
      report(error);
      if (outbox.socket.connected) clock.after(LOOK_INTERVAL_MS, () => openWithRetry(outbox, onReady));
    });
  };

  /** Makes good for words that were lost. */
  const lookAll = async (): Promise<void> => {
    const recipients = new Set<string>();
    for (const { recipient } of sockets.all()) recipients.add(keyOf(recipient));
    for (const chunk of chunksOf([...recipients], PASS_CHUNK)) {
      for (const [recipient, last] of await devices.lastOf(chunk)) {
        if (last > 0) for (const socket of sockets.of(recipientOf(recipient))) outboxOf(socket, recipient).look(last);
      }
    }
  };

  const refreshAll = async (): Promise<void> => {
    const connected = [...sockets.all()].map(({ recipient, socket }) => toDevice(recipient, socket));
    for (const chunk of chunksOf(connected, PASS_CHUNK)) await devices.refresh(chunk);
    await devices.giveUp();
    await mailbox.expire();
  };

  return {
    async send(message) {
      const id = message.id ?? newId();
      const entries = await mailbox.store({ ...message, id }).catch((cause: unknown) => {
        throw new GatewayError('UNAVAILABLE', {}, { cause });
      });
      const offered = entries.reduce((sum, entry) => sum + offer(entry), 0);
      const [first, ...others] = entries;
      if (first !== undefined) bus.publish(TOPIC, toHint([first, ...others]));
      return { id, sockets: offered };
    },

    async expect(recipient, deviceId) {
      await devices.register({ recipient: keyOf(recipient), deviceId });
    },

    connect(socket, recipient, onReady = () => undefined) {
      const outbox = new Outbox(socket, toDevice(recipient, socket), { ...outboxDependencies, phase: 'catching up' });
      socket.data.outbox = outbox;
      openWithRetry(outbox, onReady);
    },

    disconnect(socket, recipient) {
      socket.data.outbox?.close();
      background.run(devices.left(toDevice(recipient, socket)));
    },

    start() {
      bus.subscribe(TOPIC, (hint) => {
        const { entries, recipient, last } = hint as Hint;
        for (const entry of entries) offer(entry);
        if (entries.length > 0) return;
        for (const socket of sockets.of(recipientOf(recipient))) outboxOf(socket, recipient).look(last);
      });
      stops.push(clock.every(LOOK_INTERVAL_MS, () => background.run(lookAll())));
      stops.push(clock.every(REFRESH_INTERVAL_MS, () => background.run(refreshAll())));
    },

    async stop() {
      for (const stop of stops) stop();
      await background.ended();
    },
    statusOf: mailbox.statusOf,
    markPushed: mailbox.markPushed,
  };
}

const toDevice = (recipient: Recipient, { data }: GatewaySocket): Device => ({
  recipient: keyOf(recipient),
  deviceId: data.deviceId,
});

function* chunksOf<T>(items: readonly T[], size: number): Generator<T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}
