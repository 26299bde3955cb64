import type { Collection, Connection } from 'mongoose';
import type { Loss } from '#shared/models/delivery.js';

/** One message for one device, as earlier versions stored it. `device: null`: no device was known. */
export interface LegacyEntry {
  readonly _id: unknown;
  readonly message: string;
  readonly recipient: string;
  readonly device: string | null;
  readonly seq: number;
  readonly namespace: string;
  readonly body: string;
  readonly isPending: boolean;
  readonly state: string;
  readonly loss?: Loss;
  readonly at: Date;
  readonly createdAt: Date;
  readonly expireAt?: Date;
  readonly isResync?: boolean;
  readonly keepsReceipt?: boolean;
  readonly hasPush?: boolean;
}

/** The devices of a recipient, as earlier versions stored them. */
export interface LegacyRecipient {
  readonly _id: string;
  readonly seq: number;
  readonly devices?: readonly { id: string; seenAt: Date }[];
  readonly cuts?: readonly string[];
}

/** The collections of earlier versions, which had one entry for each device of a recipient. */
export function createLegacyMailboxes(db: Connection) {
  const entries: Collection = db.collection('delivery.entries');
  const recipients: Collection = db.collection('delivery.recipients');

  return {
    async recipient(id: string): Promise<LegacyRecipient | null> {
      return (await recipients.findOne({ _id: id as never })) as LegacyRecipient | null;
    },

    /** @returns ids of recipients above another, in order */
    async recipientsAfter(id: string, limit: number): Promise<string[]> {
      const found = await recipients
        .find({ _id: { $gt: id as never } }, { projection: { _id: 1 } })
        .sort({ _id: 1 })
        .limit(limit)
        .toArray();
      return found.map(({ _id }) => String(_id));
    },

    /** The recipient of any entry that is left. */
    async anyRecipient(): Promise<string | undefined> {
      const entry = await entries.findOne({}, { projection: { recipient: 1 } });
      return entry === null ? undefined : String(entry['recipient']);
    },

    /** The ids of the messages of which something is stored, in the order in which they were sent. */
    async messagesOf(recipient: string): Promise<string[]> {
      const filters = [{ isPending: true }, { keepsReceipt: true }];
      const read = filters.map((filter) =>
        entries.find({ recipient, ...filter }, { projection: { _id: 0, message: 1, seq: 1 } }).toArray(),
      );
      const found = (await Promise.all(read)).flat();
      const numbers = new Map(found.map(({ message, seq }) => [String(message), Number(seq)]));
      return [...numbers].sort(([, one], [, other]) => one - other).map(([message]) => message);
    },

    /** The entries of messages, by message; those without an entry are left out. */
    async entriesOf(messages: readonly string[]): Promise<LegacyEntry[][]> {
      const found = await entries.find({ message: { $in: [...messages] } }).toArray();
      const byMessage = new Map(messages.map((message): [string, LegacyEntry[]] => [message, []]));
      for (const entry of found as unknown as LegacyEntry[]) byMessage.get(entry.message)?.push(entry);
      return [...byMessage.values()].filter((own) => own.length > 0);
    },

    async deleteEntries(done: readonly LegacyEntry[]): Promise<void> {
      await entries.deleteMany({ _id: { $in: done.map(({ _id }) => _id) as never[] } });
    },

    /** Deletes what `messagesOf` never lists: entries that have ended and keep no receipt. */
    async deleteEnded(recipient: string): Promise<void> {
      await entries.deleteMany({ recipient, isPending: { $ne: true }, keepsReceipt: { $ne: true } });
    },

    /** Forgets that a device lost something: it is told by this version. */
    async removeCut({ _id }: LegacyRecipient, deviceId: string): Promise<void> {
      await recipients.updateOne({ _id: _id as never }, { $pull: { cuts: deviceId } } as never);
    },

    /** Deletes a recipient unless a node of an earlier version has changed it since it was read. */
    async deleteRecipient({ _id, seq, devices }: LegacyRecipient): Promise<void> {
      const unchanged = { _id, seq, devices: devices ?? { $exists: false }, 'cuts.0': { $exists: false } };
      await recipients.deleteOne(unchanged as never);
    },
  };
}
