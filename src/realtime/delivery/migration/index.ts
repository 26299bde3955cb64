/**
 * Moves the mailboxes of earlier versions, which stored one entry for each device, into the log. Nodes of the earlier version
 * may still be running, and several nodes of this version migrate at once. There is no lock: every step can be repeated, by
 * any node.
 *
 * - A message is in the log before its old entries are deleted, and its id is unique there.
 * - All nodes insert the messages of a recipient in the same order, and an insert ends at the first message or position that
 *   another node was faster with. So nothing is stored out of order.
 * - Entries are read before the devices that they were stored for: the earlier version writes in the other order.
 */
import type { Models } from '#shared/models/index.js';
import { isDuplicateKey } from '../../../platform/mongo/duplicate-key.js';
import type { Clock } from '../../../platform/time/clock.js';
import { type KeyedRecipient, parseRecipient } from '../message.js';
import type { Log, LogEnd } from '../storage/log.js';
import type { Mailboxes } from '../storage/mailboxes.js';
import { DeviceMigration, type KnownDevices } from './devices.js';
import { devicesOf, LegacyMailboxes, type LegacyMessage, type LegacyRecipient } from './legacy-mailboxes.js';
import { type LoggedMessage, toLogged } from './to-logged.js';

/** Messages of one recipient that are moved at once, and recipients that are read at once. */
const CHUNK = 500;
/** A recipient with a device that was seen within this time is in use by a node of an earlier version. */
const IN_USE_MS = 120_000;

interface Dependencies {
  readonly models: Models;
  readonly log: Log;
  readonly mailboxes: Mailboxes;
  readonly clock: Clock;
  readonly receiptTtlMs: number;
  /** Entries up to this one were appended to the log of a recipient. */
  onAppended(recipient: KeyedRecipient, end: LogEnd): void;
}

/** Moves everything that is there. To be repeated while nodes of an earlier version may be running. */
export class Migration {
  readonly #dependencies: Dependencies;
  readonly #legacy: LegacyMailboxes;
  readonly #devices: DeviceMigration;

  constructor(dependencies: Dependencies) {
    const { models, log, mailboxes } = dependencies;
    this.#dependencies = dependencies;
    this.#legacy = new LegacyMailboxes(models.DeliveryEntry.db);
    this.#devices = new DeviceMigration({ legacy: this.#legacy, log, mailboxes });
  }

  async run(): Promise<void> {
    for (let after: string | undefined = ''; after !== undefined; ) {
      const keys: string[] = await this.#legacy.recipientsAfter(after, CHUNK);
      for (const key of keys) {
        const recipient = parseRecipient(key);
        // It names no recipient.
        if (recipient === undefined) continue;
        const stored = await this.#migrate(recipient);
        if (stored !== null && !this.#isInUse(stored)) await this.#legacy.deleteRecipient(stored);
      }
      after = keys.length < CHUNK ? undefined : keys.at(-1);
    }
    // In order, so that an entry that cannot be moved, and stays, keeps none that follows it.
    for (let key = await this.#legacy.recipientOfEntryAfter(''); key !== undefined; ) {
      const recipient = parseRecipient(key);
      if (recipient !== undefined) await this.#migrate(recipient);
      key = await this.#legacy.recipientOfEntryAfter(key);
    }
  }

  #isInUse(stored: LegacyRecipient): boolean {
    const since = this.#dependencies.clock.now() - IN_USE_MS;
    return devicesOf(stored).some(({ seenAt }) => seenAt.getTime() > since);
  }

  /** @returns what was stored of the recipient before its entries were read */
  async #migrate(recipient: KeyedRecipient): Promise<LegacyRecipient | null> {
    const stored = await this.#legacy.recipient(recipient.key);
    const ids = await this.#legacy.messageIdsOf(recipient.key);
    for (let start = 0; start < ids.length; start += CHUNK) {
      const messages = await this.#legacy.messages(ids.slice(start, start + CHUNK));
      await this.#append(recipient, messages, await this.#devices.run(recipient));
      await this.#legacy.deleteMessages(messages);
    }
    await this.#devices.run(recipient);
    await this.#legacy.deleteEnded(recipient.key);
    return stored;
  }

  /** Appends messages to the log, each once. */
  async #append(recipient: KeyedRecipient, messages: readonly LegacyMessage[], devices: KnownDevices): Promise<void> {
    const { log, onAppended } = this.#dependencies;
    for (;;) {
      const stored = await this.#storedAmong(messages);
      await this.#addLateDevices(
        recipient,
        messages.filter(([{ message }]) => stored.has(message)),
      );
      const missing = messages.filter(([{ message }]) => !stored.has(message));
      if (missing.length === 0) return;
      const documents = this.#toDocuments(missing, await log.readEnd(recipient.key), devices);
      await log.collection.insertMany(documents as never[], { ordered: true }).catch((error: unknown) => {
        // Another node migrates the same recipient, or stores a new message.
        if (!isDuplicateKey(error)) throw error;
      });
      onAppended(recipient, await log.readEnd(recipient.key));
    }
  }

  async #storedAmong(messages: readonly LegacyMessage[]): Promise<ReadonlySet<string>> {
    const ids = messages.map(([{ message }]) => message);
    const found = await this.#dependencies.log.collection
      .find({ _id: { $in: ids as never[] } }, { projection: { _id: 1 } })
      .toArray();
    return new Set(found.map(({ _id }) => String(_id)));
  }

  #toDocuments(messages: readonly LegacyMessage[], end: LogEnd, devices: KnownDevices): LoggedMessage[] {
    const { clock, receiptTtlMs } = this.#dependencies;
    const now = clock.now();
    let { position, createdAt: notBefore } = end;
    return messages.map((entries) => {
      position += 1;
      const document = toLogged(entries, { position, notBefore, devices, now, receiptTtlMs });
      notBefore = document.createdAt.getTime();
      return document;
    });
  }

  /**
   * A message that an earlier version was just storing may have been moved without some of its devices. They are flagged for
   * `_resync`, because they may have acknowledged what comes after it.
   */
  async #addLateDevices(recipient: KeyedRecipient, messages: readonly LegacyMessage[]): Promise<void> {
    if (messages.length === 0) return;
    const { log, mailboxes } = this.#dependencies;
    const addressed = new Map(messages.map((own) => [own[0].message, own.flatMap(({ device }) => device ?? [])]));
    const excluding = [...addressed].map(([id, devices]) => ({
      _id: id,
      outcomes: { $elemMatch: { isExcluded: true, device: { $in: devices } } },
    }));
    const found = await log.collection
      .find({ $or: excluding } as never, { projection: { 'outcomes.device': 1, 'outcomes.isExcluded': 1 } })
      .toArray();
    for (const { _id, outcomes } of found) {
      const late = (outcomes as ExcludedDevice[]).flatMap(({ device, isExcluded }) =>
        isExcluded === true && addressed.get(String(_id))?.includes(device) === true ? device : [],
      );
      for (const deviceId of late) await mailboxes.flagResync({ recipient, deviceId });
      await log.collection.updateOne({ _id }, {
        $pull: { outcomes: { isExcluded: true, device: { $in: late } } },
      } as never);
    }
  }
}

interface ExcludedDevice {
  readonly device: string;
  readonly isExcluded?: boolean;
}
