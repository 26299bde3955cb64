import { createHash } from 'node:crypto';
import type { Model } from 'mongoose';
import type { DeliveryKey } from '#shared/models/delivery.js';
import { GatewayError } from '../../../errors.js';
import { readDate } from '../../../models/index.js';
import { toCanonicalJson } from '../../../platform/canonical-json.js';
import { isDuplicateKey } from '../../../platform/mongo/duplicate-key.js';
import { acknowledgedReadConcern } from '../../../platform/mongo/options.js';
import { type Clock, pause } from '../../../platform/time/clock.js';
import { newId } from '../message.js';

/** How long a key is remembered. */
const KEY_TTL_MS = 24 * 60 * 60 * 1000;
/** How long the call that claimed a key may take before another call takes over. */
const LEASE_MS = 5000;
/** When a call first polls for the answer of the call that claimed the key. The interval doubles after each poll. */
const LOOK_MS = 25;
const LOOK_MAX_MS = 800;

/** The answer to a call with a key. */
export interface Once<Answer> {
  readonly answer: Answer;
  /** It is the answer to an earlier call; nothing was done. */
  readonly isReplay: boolean;
}

interface Claim {
  /** Id that the message of this key has, whichever call stores it. */
  readonly messageId: string;
  /** This call has claimed the key. */
  readonly isOurs: boolean;
  /** The answer to an earlier call. */
  readonly answer?: unknown;
}

/**
 * Does something once per key, over all nodes. The id of the message is stored with the key, so a call that takes over from
 * one that was cut off stores no second message.
 */
export class Idempotency {
  readonly #model: Model<DeliveryKey>;
  readonly #clock: Clock;

  constructor({ model, clock }: { model: Model<DeliveryKey>; clock: Clock }) {
    this.#model = model;
    this.#clock = clock;
  }

  /**
   * @param body what the key stands for
   * @param work does it, with the id for its message
   * @throws GatewayError `CONFLICT` when the key was used with another body
   */
  async once<Answer>(key: string, body: unknown, work: (messageId: string) => Promise<Answer>): Promise<Once<Answer>> {
    const bodyHash = createHash('sha256').update(toCanonicalJson(body)).digest('base64');
    let claim = await this.#claim(key, bodyHash);
    for (
      let waitMs = LOOK_MS;
      !claim.isOurs && claim.answer === undefined;
      waitMs = Math.min(2 * waitMs, LOOK_MAX_MS)
    ) {
      await pause(this.#clock, waitMs);
      claim = await this.#look(key, bodyHash);
    }
    if (claim.answer !== undefined) return { answer: claim.answer as Answer, isReplay: true };
    const answer = await work(claim.messageId).catch((error: unknown) => {
      void this.#release(key);
      throw error;
    });
    await this.#model.updateOne({ _id: key }, { answer: JSON.stringify(answer) });
    return { answer, isReplay: false };
  }

  /** The id of the message that a key stands for; `undefined`: the key is not known. */
  async messageOf(key: string): Promise<string | undefined> {
    const found = await this.#model.findById(key, { message: 1 }).lean<Pick<DeliveryKey, 'message'> | null>();
    return found?.message;
  }

  async #claim(key: string, bodyHash: string): Promise<Claim> {
    const now = this.#clock.now();
    const leasedUntil = new Date(now + LEASE_MS);
    const fresh = { _id: key, bodyHash, message: newId(), leasedUntil, purgeAt: new Date(now + KEY_TTL_MS) };
    try {
      await this.#model.collection.insertOne(fresh as never);
      return { messageId: fresh.message, isOurs: true };
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
      return this.#look(key, bodyHash);
    }
  }

  /** Reads a claimed key, and takes over if the call that claimed it has failed or takes too long. */
  async #look(key: string, bodyHash: string): Promise<Claim> {
    const claimed = await this.#model.findById(key).readConcern(acknowledgedReadConcern).lean();
    if (claimed === null || claimed.bodyHash !== bodyHash) throw new GatewayError('CONFLICT');
    const answer = parse(claimed.answer);
    // It is stored once for all calls with the key. Without one nothing tells which message was stored.
    const messageId = typeof claimed.message === 'string' ? claimed.message : newId();
    if (answer !== undefined) return { messageId, isOurs: false, answer };
    const now = this.#clock.now();
    const leasedUntil = readDate(claimed.leasedUntil)?.getTime() ?? 0;
    if (leasedUntil > now) return { messageId, isOurs: false };
    const asRead = {
      leasedUntil: claimed.leasedUntil ?? null,
      answer: claimed.answer ?? null,
      message: claimed.message ?? null,
    };
    const { modifiedCount } = await this.#model.collection.updateOne(
      { _id: key as never, ...toEqualities(asRead) },
      { $set: { leasedUntil: new Date(now + LEASE_MS), message: messageId }, $unset: { answer: '' } },
    );
    return { messageId, isOurs: modifiedCount > 0 };
  }

  /** The call has failed, so another one need not wait for its lease. Never rejects: the lease expires anyway. */
  async #release(key: string): Promise<void> {
    await this.#model.updateOne(unanswered(key), { leasedUntil: new Date(0) }).catch(() => undefined);
  }
}

/** Matches what is stored as it was read; `null` is also a missing field. */
const toEqualities = (fields: object): object =>
  Object.fromEntries(Object.entries(fields).map(([field, value]) => [field, { $eq: value }]));

/** The stored JSON of an answer; `undefined`: there is none, or it cannot be read. */
function parse(stored: unknown): unknown {
  if (typeof stored !== 'string') return undefined;
  try {
    return JSON.parse(stored) as unknown;
  } catch {
    return undefined;
  }
}

const unanswered = (key: string) => ({ _id: key, answer: { $exists: false } });
