import { createBatcher } from '../../../platform/concurrency/batcher.js';
import { type IdentifiedMessage, keyOf } from '../message.js';
import type { NewPush, PushStore } from './store.js';

/** Pushes that are stored together. */
const PUSHES_MAX = 1000;

/**
 * Stores the push of a message before the message, so that none is missing if this node ends in between. A push without its
 * message is dropped. A message without a push needs nothing of this; it only stays behind earlier ones to the same recipient.
 */
export class PushPreparation {
  readonly #add: (push: NewPush) => Promise<void>;
  /** By recipient: resolves when storing its last message has begun, or its push has failed. */
  readonly #last = new Map<string, Promise<void>>();

  constructor(store: Pick<PushStore, 'add'>) {
    this.#add = createBatcher(async (pushes: readonly NewPush[]) => {
      await store.add(pushes);
      return [];
    }, PUSHES_MAX);
  }

  /** Calls `store` once the push of the message is stored. @throws what storing either of them throws */
  before<Stored>(message: IdentifiedMessage, store: () => Promise<Stored>): Promise<Stored> {
    // Most messages.
    if (message.push === undefined && this.#last.size === 0) return store();
    return this.#inOrder(message, store);
  }

  async #inOrder<Stored>(message: IdentifiedMessage, store: () => Promise<Stored>): Promise<Stored> {
    const key = keyOf(message.recipient);
    const push = toPush(message);
    const begun = this.#begin({ earlier: this.#last.get(key), added: push && this.#add(push), store });
    const ended = begun.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(key, ended);
    void ended.then(() => {
      if (this.#last.get(key) === ended) this.#last.delete(key);
    });
    return (await begun).storing;
  }

  async #begin<Stored>({ earlier, added, store }: Beginning<Stored>): Promise<{ storing: Promise<Stored> }> {
    // Also when its push fails: what follows stays behind the earlier ones.
    await Promise.allSettled([earlier, added]);
    await added;
    return { storing: store() };
  }
}

interface Beginning<Stored> {
  readonly earlier: Promise<void> | undefined;
  readonly added: Promise<void> | undefined;
  readonly store: () => Promise<Stored>;
}

/** The push that follows a message; most have none. */
export function toPush({ id, recipient: { userId }, event, push }: IdentifiedMessage): NewPush | undefined {
  if (push === undefined) return undefined;
  const { title, body, afterMs } = push;
  return { userIds: [userId], notification: { title, body, data: { id, event } }, isFallback: true, afterMs };
}
