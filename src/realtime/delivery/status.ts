import type { Clock } from '../../platform/clock.js';
import { type EntryState, fatesOf, type LoggedEntry, stateOf } from './fates.js';
import type { Log } from './log.js';
import type { Mailboxes } from './mailboxes.js';
import { contentOf, PURGED, recipientOf } from './message.js';

/** What became of a message. */
export interface MessageStatus {
  readonly id: string;
  readonly site: string;
  readonly userId: string;
  readonly event: string;
  /** The furthest that any device got. */
  readonly state: EntryState;
  readonly createdAt: string;
  readonly devices: { deviceId: string; state: EntryState; at: string }[];
}

/** @returns finds out what became of a message; `undefined` for one that is unknown or too long ago */
export const createStatus =
  ({ log, mailboxes, clock }: { log: Log; mailboxes: Mailboxes; clock: Clock }) =>
  async (id: string): Promise<MessageStatus | undefined> => {
    const found = await log.collection.findOne({ _id: id as never });
    if (found === null || found['namespace'] === PURGED) return undefined;
    const entry = found as unknown as LoggedEntry & { recipient: string; body: string };
    const { site, userId } = recipientOf(entry.recipient);
    const [event] = contentOf(entry);
    const fates = fatesOf(entry, await mailboxes.get(entry.recipient), clock.now());
    const devices = fates.flatMap(({ device, state, at }) =>
      device === null ? [] : [{ deviceId: device, state, at: at.toISOString() }],
    );
    return { id, site, userId, event, state: stateOf(fates), createdAt: entry.createdAt.toISOString(), devices };
  };
