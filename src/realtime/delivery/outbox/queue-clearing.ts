import { z } from 'zod';
import type { Clock } from '../../../platform/time/clock.js';
import { type Bus, ofForm } from '../../bus.js';
import type { Cursor } from '../devices/cursor.js';
import type { Cursors } from '../devices/cursors.js';
import type { QueueLimits } from '../devices/queue-limits.js';
import { recipientOf } from '../message.js';
import { merge } from '../storage/acked.js';
import type { Log } from '../storage/log.js';
import type { StoredDevice } from '../storage/mailbox.js';
import type { Device, Mailboxes } from '../storage/mailboxes.js';
import { toPendingFilter } from '../storage/pending.js';
import type { OutboxListener } from './outbox.js';
import type { MailboxSockets } from './sockets.js';

/** Messages that are counted before they are cleared. */
const COUNTED_MAX = 1000;
const TOPIC = 'cleared-queues';

/** To the other nodes: the queue of a device was cleared. */
interface Cleared {
  /** Key of the recipient. */
  readonly recipient: string;
  readonly deviceId: string;
}

const clearedForm = z.object({ recipient: z.string(), deviceId: z.string() });

interface Dependencies {
  readonly sockets: MailboxSockets;
  readonly cursors: Cursors;
  readonly limits: QueueLimits;
  readonly mailboxes: Mailboxes;
  readonly log: Log;
  readonly clock: Clock;
  readonly bus: Bus;
  readonly listener: Pick<OutboxListener, 'resynced'>;
  /** The sockets of this node could not be notified. */
  report(error: unknown): void;
}

/** Restarts the sockets of a device when its queue was cleared. */
export class QueueClearing {
  readonly #dependencies: Dependencies;

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  /** Begins to listen to the other nodes. A message that is lost delays `_resync` to the next connect. */
  start(): void {
    const { bus, mailboxes, report } = this.#dependencies;
    const receive = ({ recipient, deviceId }: Cleared): void => {
      const device = { recipient: recipientOf(recipient), deviceId };
      if (this.#dependencies.sockets.ofDevice(device).length === 0) return;
      const apply = async (): Promise<void> => {
        const { devices } = await mailboxes.get(recipient);
        const stored = devices.find(({ id }) => id === deviceId);
        if (stored !== undefined) await this.beginAnew(device, stored);
      };
      apply().catch(report);
    };
    bus.subscribe(TOPIC, ofForm(clearedForm, receive));
  }

  /**
   * Clears what waits for a device. What is stored meanwhile stays.
   * @returns how many messages waited, counted up to 1000; `undefined`: there is no such device
   */
  async clear(device: Device): Promise<number | undefined> {
    const { cursors, limits, mailboxes, log, clock, bus } = this.#dependencies;
    const { recipient, deviceId } = device;
    await cursors.flush();
    const known = (await mailboxes.get(recipient.key)).devices.find(({ id }) => id === deviceId);
    if (known === undefined) return undefined;
    const filter = toPendingFilter(known, { recipient: recipient.key, now: clock.now() });
    const waiting = await log.collection.countDocuments(filter, { limit: COUNTED_MAX });
    if (waiting === 0) return 0;
    const stored = await limits.clear(device, { reason: 'cleared', isNeeded: () => true });
    if (stored === undefined) return undefined;
    await this.beginAnew(device, stored);
    bus.publish(TOPIC, { recipient: recipient.key, deviceId } satisfies Cleared);
    return waiting;
  }

  /** Tells the sockets of this node that the device has lost messages, and skips these. */
  async beginAnew(device: Device, stored: StoredDevice): Promise<void> {
    const { sockets, mailboxes, listener } = this.#dependencies;
    const own = sockets.ofDevice(device);
    const outboxes = own.flatMap(({ data }) => data.outbox ?? []);
    for (const outbox of outboxes) {
      if (outbox.cursor !== undefined) advance(outbox.cursor, stored);
      outbox.skipTo(stored.start);
      outbox.sendResync(stored.revision);
    }
    for (const socket of own.filter(({ data }) => data.outbox === undefined)) {
      // Idle: it has acknowledged everything up to its position.
      socket.data.position = Math.max(socket.data.position, stored.start);
      if (outboxes.length > 0) continue;
      socket.emit('_resync');
      listener.resynced();
    }
    if (own.length > 0) await mailboxes.clearResync(device, stored.revision);
  }
}

/** Includes what is stored, so that the next write may replace it. */
function advance(cursor: Cursor, { acked, start, revision }: StoredDevice): void {
  cursor.acked = merge(cursor.acked, acked);
  Object.assign(cursor, { start: Math.max(cursor.start, start), revision });
}
