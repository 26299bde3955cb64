import { GatewayError } from '../../../errors.js';
import { createGatheringBatcher } from '../../../platform/concurrency/batcher.js';
import type { TaskTracker } from '../../../platform/concurrency/task-tracker.js';
import type { Bus } from '../../bus.js';
import type { NodeCalls } from '../../node-calls.js';
import type { QueueLimits } from '../devices/queue-limits.js';
import type { DeliveryMeasures } from '../measures.js';
import { type IdentifiedMessage, keyOf, newId, type OutgoingMessage, withKey } from '../message.js';
import { createAnnouncer, roomOf } from '../outbox/notifications.js';
import type { Outboxes } from '../outbox/outboxes.js';
import { PushPreparation, toPush } from '../push/preparation.js';
import type { NewPush, PushStore } from '../push/store.js';
import { type Entry, toEntry } from '../storage/entry.js';
import { STORING_MAX_MS } from '../storage/log.js';
import type { Positions } from '../storage/positions.js';
import type { Appender } from './appender.js';
import { Forwarder, type StoredElsewhere } from './forwarder.js';
import type { Leaders } from './leaders.js';

/** Messages that are stored together, and how long they wait at most for callers who are answered just now. */
const BATCHES = { sizeMax: 1000, gatherMs: 5 };

/** A message that was stored. */
export interface SentMessage {
  readonly id: string;
  /** Sockets of this node that it was offered to. */
  readonly sockets: number;
  /** Whether another node has sockets in the room of the user, also for another site; `undefined`: not known. Never rejects. */
  isElsewhere(): Promise<boolean | undefined>;
  /** To be called when the response to the caller was written. A device that connects later does not get the message. */
  markAnswered(): void;
}

interface Dependencies {
  readonly appender: Appender;
  readonly positions: Positions;
  readonly leaders: Leaders;
  readonly nodeCalls: NodeCalls;
  readonly outboxes: Outboxes;
  readonly limits: QueueLimits;
  readonly pushStore: PushStore;
  readonly bus: Bus;
  readonly tasks: TaskTracker;
  readonly measures: Pick<DeliveryMeasures, 'stored'>;
}

/**
 * Stores messages, then offers them to the sockets of this node and announces them to the other nodes. The leader of a recipient,
 * if there is one, does it instead, see `leaders.ts`.
 */
export class Sender {
  readonly #dependencies: Dependencies;
  readonly #forwarder: Forwarder;
  readonly #announce: ReturnType<typeof createAnnouncer>;
  readonly #pushes: PushPreparation;
  /** Everything that arrives in one event loop iteration is one insert. */
  readonly #storeTogether = createGatheringBatcher(
    (messages: readonly IdentifiedMessage[]) => this.#storeAll(messages),
    BATCHES,
  );

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
    const { nodeCalls, leaders, bus, pushStore } = dependencies;
    this.#announce = createAnnouncer(bus);
    this.#pushes = new PushPreparation(pushStore);
    this.#forwarder = new Forwarder({ nodeCalls, leaders, store: (message) => this.#storeForwarded(message) });
  }

  async send(message: OutgoingMessage): Promise<SentMessage> {
    const id = message.id ?? newId();
    const leader = this.#dependencies.leaders.of(keyOf(message.recipient));
    const stored = this.#storeAt(leader, { ...message, id });
    const { entry, sockets, isElsewhere } = await stored.catch((cause: unknown) => {
      throw new GatewayError('UNAVAILABLE', {}, { cause });
    });
    const markAnswered = (): void => this.#dependencies.positions.markAnswered(entry.recipient.key, entry.position);
    return { id, sockets, isElsewhere, markAnswered };
  }

  /** @param leader `undefined`: this node */
  async #storeAt(leader: string | undefined, message: IdentifiedMessage): Promise<StoredMessage> {
    if (leader === undefined) return this.#store(message);
    const startedAt = performance.now();
    const elsewhere = await this.#forwarder.forward({ leader, message });
    // If the leader has stored it after all, its id is found.
    const stored = elsewhere === undefined ? await this.#store(message) : this.#toStored(message, elsewhere);
    if (performance.now() - startedAt > STORING_MAX_MS) throw new GatewayError('UNAVAILABLE');
    return stored;
  }

  #store(message: IdentifiedMessage): Promise<StoredMessage> {
    return this.#pushes.before(message, () => this.#storeTogether(message));
  }

  #toStored(message: IdentifiedMessage, { position, createdAt, isHeld }: StoredElsewhere): StoredMessage {
    const entry = toEntry(message, { recipient: withKey(message.recipient), position, createdAt });
    return { entry, sockets: this.#dependencies.outboxes.offer(entry), isElsewhere: async () => isHeld ?? undefined };
  }

  async #storeForwarded(message: IdentifiedMessage): Promise<StoredElsewhere> {
    const leader = this.#dependencies.leaders.ofForwarded(keyOf(message.recipient));
    const { entry, sockets, isElsewhere } = await this.#storeAt(leader, message);
    const isHeld = sockets > 0 || (await isElsewhere());
    return { position: entry.position, createdAt: entry.createdAt, isHeld: isHeld ?? null };
  }

  async #storeAll(messages: readonly IdentifiedMessage[]): Promise<(StoredMessage | Error)[]> {
    const { appender, outboxes, limits, pushStore, bus, tasks, measures } = this.#dependencies;
    // The last positions of users that other nodes have sent to, which saves an insert at a wrong one. Whether another node has
    // sockets of them is known then, too: all callers are answered at once, call again at once, and their next insert is one.
    const recalling = bus.recall([...new Set(messages.map(({ recipient }) => roomOf(recipient)))]);
    const held = recalling === undefined ? undefined : await recalling;
    const results = await appender.append(messages);
    const entries = results.filter((result): result is Entry => !(result instanceof Error));
    const pushes = messages.flatMap((message) => toPush(message) ?? []);
    if (pushes.length > 0) tasks.run(pushStore.release(ofStored(pushes, entries)));
    measures.stored(entries);
    const sockets = new Map(entries.map((entry) => [entry, outboxes.offer(entry)]));
    const isHeldElsewhere = this.#announce(entries);
    const due = new Map(entries.flatMap((entry) => (limits.isDue(entry) ? [[entry.recipient.key, entry]] : [])));
    for (const { recipient, position } of due.values()) tasks.run(limits.trim(recipient, position));
    return results.map((result) => {
      if (result instanceof Error) return result;
      const isElsewhere = async () => held?.get(roomOf(result.recipient)) ?? isHeldElsewhere(result);
      return { entry: result, sockets: sockets.get(result) ?? 0, isElsewhere };
    });
  }
}

/** The pushes whose messages are stored. */
function ofStored(pushes: readonly NewPush[], entries: readonly Entry[]): NewPush[] {
  const ids = new Set(entries.map(({ id }) => id));
  return pushes.filter(({ notification }) => ids.has(notification.data.id));
}

interface StoredMessage extends Pick<SentMessage, 'sockets' | 'isElsewhere'> {
  readonly entry: Entry;
}
