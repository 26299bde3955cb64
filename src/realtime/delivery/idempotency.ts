import { createHash } from 'node:crypto';
import type { Model } from 'mongoose';
import type { DeliveryKey } from '#shared/models/delivery.js';
import { GatewayError } from '../../errors.js';
import { toCanonicalJson } from '../../platform/canonical-json.js';
import type { Clock } from '../../platform/clock.js';
import { isDuplicateKey } from '../../platform/mongo/duplicate-key.js';
import { acknowledgedReadConcern } from '../../platform/mongo/options.js';
import { newId } from './message.js';

/** How long a key is remembered. */
const KEY_TTL_MS = 24 * 60 * 60 * 1000;
/** How long whoever took a key may be at work before somebody else does it for them. */
const LEASE_MS = 5000;
/** How often the answer of whoever is at work is looked for. */
const POLL_MS = 50;

/** What a call with a key comes to. */
export interface Once<Answer> {
  readonly answer: Answer;
  /** The answer is that of an earlier call; nothing was done. */
  readonly isReplay: boolean;
}

/**
 * Does something once for each key, on whatever node. The id of the message is chosen with the key, so that a call that
 * takes over from one that was cut off cannot make a second message.
 */
export function createIdempotency({ model, clock }: { model: Model<DeliveryKey>; clock: Clock }) {
  const take = async (
    key: string,
    bodyHash: string,
  ): Promise<{ message: string; isOurs: boolean; answer?: string }> => {
    const now = clock.now();
    const fresh = {
      ...{ _id: key, bodyHash, message: newId() },
      leasedUntil: new Date(now + LEASE_MS),
      purgeAt: new Date(now + KEY_TTL_MS),
    };
    try {
      await model.collection.insertOne(fresh as never);
      return { message: fresh.message, isOurs: true };
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
    }
    const taken = await model.findById(key).readConcern(acknowledgedReadConcern).lean();
    if (taken === null || taken.bodyHash !== bodyHash) throw new GatewayError('CONFLICT');
    if (typeof taken.answer === 'string') return { message: taken.message, isOurs: false, answer: taken.answer };
    const lapsed = { _id: key, answer: { $exists: false }, leasedUntil: { $lte: new Date(now) } };
    const { modifiedCount } = await model.updateOne(lapsed, { leasedUntil: new Date(now + LEASE_MS) });
    return { message: taken.message, isOurs: modifiedCount > 0 };
  };

  return {
    /**
     * @param body what the key stands for; the same key with another body is a `CONFLICT`
     * @param work does it, with the id that its message has to bear
     */
    async once<Answer>(key: string, body: unknown, work: (message: string) => Promise<Answer>): Promise<Once<Answer>> {
      const bodyHash = createHash('sha256').update(toCanonicalJson(body)).digest('base64');
      for (;;) {
        const { message, isOurs, answer } = await take(key, bodyHash);
        if (answer !== undefined) return { answer: JSON.parse(answer) as Answer, isReplay: true };
        if (isOurs) {
          const done = await work(message);
          await model.updateOne({ _id: key }, { answer: JSON.stringify(done) });
          return { answer: done, isReplay: false };
        }
        await new Promise<void>((resolve) => clock.after(POLL_MS, resolve));
      }
    },
  };
}
