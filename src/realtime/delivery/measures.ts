import type { Metrics } from '../../platform/metrics.js';
import type { Clock } from '../../platform/time/clock.js';
import type { Step, Tracing } from '../../platform/tracing.js';
import type { Cursor } from './devices/cursor.js';
import type { CutReason } from './devices/cuts.js';
import { isAcked } from './storage/acked.js';
import type { Entry, SentEntry } from './storage/entry.js';

/** Counts what becomes of durable messages on this node. Nothing is read for it. */
export interface DeliveryMeasures {
  /** This node has stored messages. */
  stored(entries: readonly Entry[]): void;
  /** A message is sent to a socket. To be called before the cursor notes it. */
  sent(cursor: Cursor, entry: SentEntry): void;
  /** A client acknowledges messages. To be called before the cursor notes it. */
  acknowledged(cursor: Cursor, entries: readonly SentEntry[]): void;
  /** A message ran out for a device, or all that waited for it did. */
  expired(reason: CutReason | 'ttl' | 'unreadable'): void;
  /** A client was sent `_resync`. */
  resynced(): void;
  /** The log was read for sockets. */
  read(): void;
}

interface Dependencies {
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** `undefined`: off. */
  readonly tracing: Tracing | undefined;
}

/** The metrics, and the spans of messages whose calls are traced: each ends now, and begins when the message was stored. */
export function createDeliveryMeasures({ metrics, clock, tracing }: Dependencies): DeliveryMeasures {
  const { durableMessages, acknowledgeSeconds, durableExpirations, resyncs, mailboxReads } = metrics;
  const trace = (name: Step['name'], { traceparent, createdAt, namespace, id }: Entry | SentEntry): void => {
    if (tracing === undefined || traceparent === undefined) return;
    const attributes = { 'messaging.message.id': id, 'event.namespace': namespace };
    tracing.record({ name, traceparent, startedAt: createdAt, endedAt: clock.now(), attributes });
  };
  return {
    stored(entries) {
      durableMessages.inc({ state: 'stored' }, entries.length);
      if (tracing !== undefined) for (const entry of entries) trace('durable store', entry);
    },
    sent({ sent }, entry) {
      // Known of messages with a receipt only.
      const isRepeated = entry.position <= (sent[entry.namespace] ?? 0);
      durableMessages.inc({ state: isRepeated ? 'repeated' : 'sent' });
      trace('durable send', entry);
    },
    acknowledged({ acked, start }, entries) {
      const now = clock.now();
      for (const entry of entries) {
        // Another socket of the device, or an earlier connection, may have acknowledged it.
        if (isAcked(acked, start, entry)) continue;
        durableMessages.inc({ state: 'acknowledged' });
        trace('durable acknowledge', entry);
        // The clock of the node that stored it may be ahead.
        acknowledgeSeconds.observe({}, Math.max(0, now - entry.createdAt) / 1000);
      }
    },
    expired: (reason) => durableExpirations.inc({ reason }),
    resynced: () => resyncs.inc({}),
    read: () => mailboxReads.inc({}),
  };
}
