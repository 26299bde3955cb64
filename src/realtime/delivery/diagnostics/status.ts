import type { Clock } from '../../../platform/time/clock.js';
import { parseRecipient } from '../message.js';
import { fromDocument, PURGED, type StoredEntry } from '../storage/entry.js';
import type { Log } from '../storage/log.js';
import type { Mailboxes } from '../storage/mailboxes.js';
import { type DeliveryState, furthestOf, type LoggedEntry, outcomesOf } from '../storage/outcomes.js';

/** What became of a message. */
export interface MessageStatus {
  readonly id: string;
  readonly site: string;
  readonly userId: string;
  readonly event: string;
  /** The furthest that any device got. */
  readonly state: DeliveryState;
  readonly createdAt: string;
  readonly devices: { deviceId: string; state: DeliveryState; at: string }[];
}

/** @returns finds the status of a message; `undefined` for one that is not known, or whose receipt has expired */
export function createStatusQuery({ log, mailboxes, clock }: { log: Log; mailboxes: Mailboxes; clock: Clock }) {
  return async function statusOf(id: string): Promise<MessageStatus | undefined> {
    const found = await log.collection.findOne({ _id: id as never });
    if (found === null || found['namespace'] === PURGED) return undefined;
    const recipient = parseRecipient(String(found['recipient']));
    const entry = log.sound<LoggedEntry & StoredEntry & { readonly createdAt: Date }>(found);
    if (recipient === undefined || entry === undefined) return undefined;
    const { site, userId, key } = recipient;
    const [event] = fromDocument(entry, recipient).content;
    const outcomes = outcomesOf(entry, await mailboxes.get(key), clock.now());
    const devices = outcomes.flatMap(({ device, state, at }) =>
      device === null ? [] : [{ deviceId: device, state, at: at.toISOString() }],
    );
    return { id, site, userId, event, state: furthestOf(outcomes), createdAt: entry.createdAt.toISOString(), devices };
  };
}
