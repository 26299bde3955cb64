import type { TaskTracker } from '../../../platform/concurrency/task-tracker.js';
import type { Cursor } from '../devices/cursor.js';
import type { Cursors } from '../devices/cursors.js';
import type { QueueLimits } from '../devices/queue-limits.js';
import type { DeliveryMeasures } from '../measures.js';
import { isAcked } from '../storage/acked.js';
import type { SentEntry } from '../storage/entry.js';
import type { StoredDevice } from '../storage/mailbox.js';
import type { Outbox, OutboxListener, Unsendable } from './outbox.js';
import type { QueueClearing } from './queue-clearing.js';
import type { MailboxSockets } from './sockets.js';

interface Dependencies {
  readonly sockets: MailboxSockets;
  readonly cursors: Cursors;
  readonly limits: QueueLimits;
  readonly clearing: Pick<QueueClearing, 'beginAnew'>;
  readonly tasks: TaskTracker;
  readonly measures: Pick<DeliveryMeasures, 'sent' | 'acknowledged' | 'expired' | 'resynced'>;
  /** The database failed; what failed is repeated. */
  report(error: unknown): void;
}

/** Moves the cursor of a device when its client acknowledges messages, or when messages expire. */
export class Acknowledgements implements OutboxListener {
  readonly #dependencies: Dependencies;

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  acknowledged(outbox: Outbox, entries: readonly SentEntry[]): void {
    const { sockets, cursors, tasks, measures } = this.#dependencies;
    const { cursor, device } = outbox;
    const [first] = entries;
    if (outbox.isClosed || cursor === undefined || first === undefined) return;
    const overtaken = outbox.overtakenBy(first);
    // Of two sockets of one device the first acknowledgement counts.
    for (const sibling of sockets.outboxesOf(device)) for (const entry of entries) sibling.settle(entry);
    measures.acknowledged(cursor, entries);
    cursors.acknowledge(cursor, outbox.acked, entries);
    if (overtaken !== undefined) tasks.run(this.#startOver(cursor, overtaken));
  }

  sent(cursor: Cursor, entry: SentEntry): void {
    this.#dependencies.measures.sent(cursor, entry);
    this.#dependencies.cursors.markSent(cursor, entry);
  }

  /** A client that was not notified when it connected is notified when it connects next. */
  expired(cursor: Cursor, entry: SentEntry, { reason, isTold }: Unsendable): void {
    this.#dependencies.measures.expired(reason);
    this.#dependencies.cursors.expire(cursor, entry, { reason, isTold });
  }

  resynced(): void {
    this.#dependencies.measures.resynced();
  }

  readFailed(error: unknown): void {
    this.#dependencies.report(error);
  }

  /** The client has missed a message that it cannot do without, so the rest of its queue is of no use. */
  async #startOver(cursor: Cursor, overtaken: SentEntry): Promise<void> {
    const { cursors, limits, clearing } = this.#dependencies;
    await cursors.flush();
    // Another socket of the device may have acknowledged it meanwhile.
    const isNeeded = ({ acked, start }: StoredDevice): boolean => !isAcked(acked, start, overtaken);
    const stored = await limits.clear(cursor.device, { reason: 'resync', isNeeded });
    if (stored !== undefined) await clearing.beginAnew(cursor.device, stored);
  }
}
