import type { Collection, Connection, mongo } from 'mongoose';
import { type ExpiryReason, expiryReasons } from '#shared/models/delivery.js';
import { isPlain, readBoolean, readDate } from '../../../models/index.js';
import { EVERYWHERE } from '../message.js';

/** One message for one device, as earlier versions stored it. */
interface LegacyEntry {
  readonly _id: unknown;
  readonly message: string;
  readonly recipient: string;
  /** `null`: no device was known. */
  readonly device: string | null;
  readonly seq: number;
  readonly namespace: string;
  readonly body: string;
  readonly isPending: boolean;
  readonly state: string;
  readonly loss?: ExpiryReason;
  readonly at: Date;
  readonly createdAt: Date;
  readonly expireAt?: Date;
  readonly isResync?: boolean;
  readonly keepsReceipt?: boolean;
  readonly hasPush?: boolean;
}

/** A message with its entries, of which there is at least one. */
export type LegacyMessage = readonly [LegacyEntry, ...LegacyEntry[]];

/** The devices of a recipient, as earlier versions stored them. */
export interface LegacyRecipient {
  readonly _id: string;
  readonly seq: number;
  readonly devices?: readonly { id: string; seenAt: Date }[];
  /** Devices that lost messages and have not been notified. */
  readonly cuts?: readonly string[];
}

/** What the gateway can move. What has no meaning is moved all the same: the log says what becomes of it. */
function toSoundEntry(stored: mongo.Document): LegacyEntry {
  const { device, namespace, body, at, expireAt, createdAt } = stored;
  const sentAt = readDate(createdAt) ?? readDate(at) ?? new Date(0);
  const { expireAt: _, loss: __, ...rest } = stored;
  const ended = readDate(expireAt);
  return {
    ...(rest as LegacyEntry),
    // For all devices: for some of them it is for too many then.
    device: typeof device === 'string' ? device : null,
    namespace: typeof namespace === 'string' && namespace !== '' ? namespace : EVERYWHERE,
    body: typeof body === 'string' ? body : '',
    isPending: readBoolean(stored['isPending']) ?? true,
    createdAt: sentAt,
    at: readDate(at) ?? sentAt,
    ...(ended && { expireAt: ended }),
    ...(expiryReasons.includes(stored['loss']) && { loss: stored['loss'] }),
  };
}

/** The devices of a stored recipient. */
export const devicesOf = (stored: LegacyRecipient | null): { id: string; seenAt: Date }[] =>
  [(stored?.devices ?? []) as unknown].flat().flatMap((one) => {
    if (!isPlain(one) || typeof one['id'] !== 'string') return [];
    return { id: one['id'], seenAt: readDate(one['seenAt']) ?? new Date(0) };
  });

/** The devices of a stored recipient that lost messages. */
export const cutsOf = (stored: LegacyRecipient | null): string[] =>
  [(stored?.cuts ?? []) as unknown].flat().filter((one) => typeof one === 'string');

/** The collections of earlier versions, which had one entry for each device of a recipient. */
export class LegacyMailboxes {
  readonly #entries: Collection;
  readonly #recipients: Collection;

  constructor(db: Connection) {
    this.#entries = db.collection('delivery.entries');
    this.#recipients = db.collection('delivery.recipients');
  }

  async recipient(key: string): Promise<LegacyRecipient | null> {
    return (await this.#recipients.findOne({ _id: key as never })) as LegacyRecipient | null;
  }

  /** @returns keys of recipients above another, in order */
  async recipientsAfter(key: string, limit: number): Promise<string[]> {
    const found = await this.#recipients
      .find({ _id: { $gt: key as never } }, { projection: { _id: 1 } })
      .sort({ _id: 1 })
      .limit(limit)
      .toArray();
    return found.map(({ _id }) => String(_id));
  }

  /** The key of the next recipient, in order, of whom an entry is left. */
  async recipientOfEntryAfter(key: string): Promise<string | undefined> {
    const options = { projection: { recipient: 1 }, sort: { recipient: 1 } } as const;
    // A list is above a key by any of its values: it would be found again and again.
    const isAbove = { $gt: key, $not: { $type: 'array' } } as const;
    const entry = await this.#entries.findOne({ recipient: isAbove }, options);
    return entry === null ? undefined : String(entry['recipient']);
  }

  /** The ids of the messages of which something is stored, in the order in which they were sent. */
  async messageIdsOf(recipient: string): Promise<string[]> {
    const filters = [{ isPending: true }, { keepsReceipt: true }];
    const read = filters.map((filter) =>
      this.#entries.find({ recipient, ...filter }, { projection: { _id: 0, message: 1, seq: 1 } }).toArray(),
    );
    const found = (await Promise.all(read)).flat();
    const numbers = new Map(
      found.flatMap(({ message, seq }) => (typeof message === 'string' ? [[message, Number(seq) || 0]] : [])),
    );
    return [...numbers].sort(([, one], [, other]) => one - other).map(([id]) => id);
  }

  /** Messages by their ids, in that order. One without an entry is left out. */
  async messages(ids: readonly string[]): Promise<LegacyMessage[]> {
    const found = await this.#entries.find({ message: { $in: [...ids] } }).toArray();
    const byId = new Map(ids.map((id): [string, LegacyEntry[]] => [id, []]));
    for (const entry of found) byId.get(String(entry['message']))?.push(toSoundEntry(entry));
    return [...byId.values()].flatMap(([first, ...others]) =>
      first === undefined ? [] : [[first, ...others] as const],
    );
  }

  async deleteMessages(messages: readonly LegacyMessage[]): Promise<void> {
    const ids = messages.flat().map(({ _id }) => _id);
    await this.#entries.deleteMany({ _id: { $in: ids as never[] } });
  }

  /** Deletes what {@link LegacyMailboxes.messageIdsOf} never lists: entries that have ended and keep no receipt. */
  async deleteEnded(recipient: string): Promise<void> {
    await this.#entries.deleteMany({ recipient, isPending: { $ne: true }, keepsReceipt: { $ne: true } });
  }

  /** Forgets that a device lost something. */
  async deleteCut(recipient: string, deviceId: string): Promise<void> {
    const isList = { _id: recipient, cuts: { $type: 'array' } };
    await this.#recipients.updateOne(isList as never, { $pull: { cuts: deviceId } } as never);
  }

  /** Deletes a recipient unless a node of an earlier version has changed it since it was read. */
  async deleteRecipient({ _id, seq, devices }: LegacyRecipient): Promise<void> {
    const isAsRead = (value: unknown) => (value === undefined ? { $exists: false } : { $eq: value });
    const unchanged = { _id, seq: isAsRead(seq), devices: isAsRead(devices), 'cuts.0': { $exists: false } };
    await this.#recipients.deleteOne(unchanged as never);
  }
}
