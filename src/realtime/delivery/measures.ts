import type { Clock } from '../../platform/clock.js';
import type { Metrics } from '../../platform/metrics.js';
import { isAcked } from './acked.js';
import type { Cursor } from './cursors.js';
import type { CutReason } from './cuts.js';
import type { Entry } from './entry.js';

/** Counts what becomes of durable messages on this node. Nothing is read for it. */
export interface DeliveryMeasures {
  /** This node has stored messages. */
  stored(count: number): void;
  /** A message is sent to a socket. To be called before the cursor notes it. */
  sent(cursor: Cursor, entry: Entry): void;
  /** A client acknowledges messages. To be called before the cursor notes it. */
  acknowledged(cursor: Cursor, entries: readonly Entry[]): void;
  /** A message ran out for a device, or all that waited for it did. */
  expired(reason: CutReason | 'ttl'): void;
  /** A client was told that it lost messages. */
  resynced(): void;
  /** The log was read for sockets. */
  read(): void;
}

export function createDeliveryMeasures(
  { durableMessages, acknowledgeSeconds, durableExpirations, resyncs, mailboxReads }: Metrics,
  clock: Clock,
): DeliveryMeasures {
  return {
    stored: (count) => durableMessages.inc({ state: 'stored' }, count),
    sent({ sent }, { namespace, position }) {
      // Known of messages with a receipt only.
      const isRepeated = position <= (sent[namespace] ?? 0);
      durableMessages.inc({ state: isRepeated ? 'repeated' : 'sent' });
    },
    acknowledged({ acked, start }, entries) {
      const now = clock.now();
      for (const entry of entries) {
        // Another socket of the device, or an earlier connection, may have acknowledged it.
        if (isAcked(acked, start, entry)) continue;
        durableMessages.inc({ state: 'acknowledged' });
        // The clock of the node that stored it may be ahead.
        acknowledgeSeconds.observe({}, Math.max(0, now - entry.createdAt) / 1000);
      }
    },
    expired: (reason) => durableExpirations.inc({ reason }),
    resynced: () => resyncs.inc({}),
    read: () => mailboxReads.inc({}),
  };
}
