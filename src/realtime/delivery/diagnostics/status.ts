import type { Clock } from '../../../platform/time/clock.js';
import { recipientOf } from '../message.js';
import { type Content, PURGED } from '../storage/entry.js';
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
    const entry = found as unknown as LoggedEntry & { recipient: string; body: string };
    const { site, userId } = recipientOf(entry.recipient);
    const [event] = JSON.parse(entry.body) as Content;
    const outcomes = outcomesOf(entry, await mailboxes.get(entry.recipient), clock.now());
    const devices = outcomes.flatMap(({ device, state, at }) =>
      device === null ? [] : [{ deviceId: device, state, at: at.toISOString() }],
    );
    return { id, site, userId, event, state: furthestOf(outcomes), createdAt: entry.createdAt.toISOString(), devices };
  };
}
