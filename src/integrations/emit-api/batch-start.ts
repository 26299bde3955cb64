import { setImmediate } from 'node:timers/promises';

/** Sockets that the items of a batch reach in one event loop iteration. */
const SOCKETS_AT_ONCE = 20_000;

interface Dependencies {
  /** What is emitted in the synchronous part is sent together. */
  together<T>(work: () => T): T;
  /** Sockets reached so far. */
  countReached(): number;
}

/**
 * Begins the items of a batch in their order, all at once unless they reach very many sockets: then other work runs in between. A
 * thousand items to a user with 500 sockets are half a million packets.
 */
export function createBatchStart({ together, countReached }: Dependencies) {
  return async function startBatch<Item, Answer>(
    items: readonly Item[],
    begin: (item: Item) => Promise<Answer>,
  ): Promise<Answer[]> {
    const answers: Promise<Answer>[] = [];
    const beginSome = (): void => {
      const end = countReached() + SOCKETS_AT_ONCE;
      for (const item of items.slice(answers.length)) {
        answers.push(begin(item));
        if (countReached() >= end) return;
      }
    };
    for (;;) {
      together(beginSome);
      if (answers.length >= items.length) return Promise.all(answers);
      await setImmediate();
    }
  };
}
