import { isDuplicateKey } from '../../../platform/mongo/duplicate-key.js';
import type { KeyedRecipient } from '../message.js';
import type { Log } from '../storage/log.js';
import { type Mailboxes, toStoredDevice } from '../storage/mailboxes.js';
import { cutsOf, devicesOf, type LegacyMailboxes } from './legacy-mailboxes.js';

/** The ids of the devices of a recipient. */
export interface KnownDevices {
  /** Those that this version knows. */
  readonly current: readonly string[];
  /** Those that the earlier version knows. */
  readonly legacy: readonly string[];
}

interface Dependencies {
  readonly legacy: LegacyMailboxes;
  readonly log: Log;
  readonly mailboxes: Mailboxes;
}

/** Moves the devices of earlier versions into the mailboxes. */
export class DeviceMigration {
  readonly #dependencies: Dependencies;

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  /** @returns all devices of the recipient */
  async run(recipient: KeyedRecipient): Promise<KnownDevices> {
    const { legacy, mailboxes } = this.#dependencies;
    const stored = await legacy.recipient(recipient.key);
    const devicesBefore = devicesOf(stored);
    for (const { id, seenAt } of devicesBefore) await this.#add(recipient.key, id, seenAt);
    for (const deviceId of cutsOf(stored)) {
      await mailboxes.flagResync({ recipient, deviceId });
      await legacy.deleteCut(recipient.key, deviceId);
    }
    const { devices } = await mailboxes.get(recipient.key);
    return { current: devices.map(({ id }) => id), legacy: devicesBefore.map(({ id }) => id) };
  }

  /** Adds a device at the end of the log. The first device of a recipient gets everything that waits instead. */
  async #add(recipient: string, id: string, seenAt: Date): Promise<void> {
    const { log, mailboxes } = this.#dependencies;
    const known = { _id: recipient as never, 'devices.id': id };
    const { matchedCount } = await mailboxes.collection.updateOne(known, { $max: { 'devices.$.seenAt': seenAt } });
    if (matchedCount > 0) return;
    const last = await log.readLast(recipient);
    const { devices, start } = await mailboxes.get(recipient);
    const isFirst = devices.length === 0;
    const device = toStoredDevice(id, isFirst ? start : last, seenAt.getTime(), []);
    const onlyIfFirst = isFirst ? { 'devices.0': { $exists: false } } : {};
    const unknown = { _id: recipient as never, 'devices.id': { $ne: id }, ...onlyIfFirst };
    try {
      const update = { $push: { devices: device } } as never;
      const { modifiedCount, upsertedCount } = await mailboxes.collection.updateOne(unknown, update, {
        upsert: isFirst,
      });
      if (modifiedCount + upsertedCount > 0) return;
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
    }
    // Another node was faster: with this device, or with another first one.
    await this.#add(recipient, id, seenAt);
  }
}
