import type { Collection, Connection } from 'mongoose';
import type { ExpiryReason } from '#shared/models/delivery.js';

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

  /** The key of the recipient of any entry that is left. */
  async anyRecipient(): Promise<string | undefined> {
    const entry = await this.#entries.findOne({}, { projection: { recipient: 1 } });
    return entry === null ? undefined : String(entry['recipient']);
  }

  /** The ids of the messages of which something is stored, in the order in which they were sent. */
  async messageIdsOf(recipient: string): Promise<string[]> {
    const filters = [{ isPending: true }, { keepsReceipt: true }];
    const read = filters.map((filter) =>
      this.#entries.find({ recipient, ...filter }, { projection: { _id: 0, message: 1, seq: 1 } }).toArray(),
    );
    const found = (await Promise.all(read)).flat();
    const numbers = new Map(found.map(({ message, seq }) => [String(message), Number(seq)]));
    return [...numbers].sort(([, one], [, other]) => one - other).map(([id]) => id);
  }

  /** Messages by their ids, in that order. One without an entry is left out. */
  async messages(ids: readonly string[]): Promise<LegacyMessage[]> {
    const found = await this.#entries.find({ message: { $in: [...ids] } }).toArray();
    const byId = new Map(ids.map((id): [string, LegacyEntry[]] => [id, []]));
    for (const entry of found as unknown as LegacyEntry[]) byId.get(entry.message)?.push(entry);
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
    await this.#recipients.updateOne({ _id: recipient as never }, { $pull: { cuts: deviceId } } as never);
  }

  /** Deletes a recipient unless a node of an earlier version has changed it since it was read. */
  async deleteRecipient({ _id, seq, devices }: LegacyRecipient): Promise<void> {
    const unchanged = { _id, seq, devices: devices ?? { $exists: false }, 'cuts.0': { $exists: false } };
    await this.#recipients.deleteOne(unchanged as never);
  }
}
