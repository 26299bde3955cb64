import type { KeyedMutex } from '../../platform/keyed-mutex.js';

/** Messages that are stored in one turn of their conversation. */
const TOGETHER_MAX = 50;

interface Dependencies<Message, Stored> {
  /** Waits for a turn in a conversation. */
  inTurn: KeyedMutex['run'];
  /**
   * Stores the first message, and others behind it with it. Never rejects.
   * @param take returns the messages that wait, at least one; at a later call also those that have come meanwhile
   * @returns at least one result, in their order
   */
  storeFirst: (take: () => readonly Message[]) => Promise<readonly (Stored | Error)[]>;
}

interface Waiting<Message, Stored> {
  readonly message: Message;
  settle(result: Stored | Error): void;
}

/**
 * Stores the messages of a conversation in the order of their arrival. Those that wait when a turn comes are stored in that turn, so
 * a busy conversation takes few transactions.
 * @returns stores a message. Rejects with its refusal, or when its turn has not come in time; then it is never stored.
 */
export function createMessageQueue<Message, Stored>({ inTurn, storeFirst }: Dependencies<Message, Stored>) {
  const lines = new Map<string, Waiting<Message, Stored>[]>();

  const storeWaiting = async (id: string): Promise<void> => {
    const taken: Waiting<Message, Stored>[] = [];
    let left = TOGETHER_MAX;
    const take = (): readonly Message[] => {
      const line = lines.get(id) ?? [];
      const more = line.splice(0, left);
      if (line.length === 0) lines.delete(id);
      left -= more.length;
      taken.push(...more);
      return taken.map(({ message }) => message);
    };
    do {
      const results = await storeFirst(take);
      for (const result of results) taken.shift()?.settle(result);
    } while (taken.length > 0);
  };

  return function storeInOrder(id: string, message: Message): Promise<Stored> {
    return new Promise((resolve, reject) => {
      const settle = (result: Stored | Error): void => (result instanceof Error ? reject(result) : resolve(result));
      const waiting = { message, settle };
      const line = lines.get(id) ?? [];
      lines.set(id, line);
      line.push(waiting);
      const isWaiting = (): boolean => lines.get(id)?.includes(waiting) === true;
      inTurn([id], async () => {
        // An earlier turn may have taken it.
        if (isWaiting()) await storeWaiting(id);
      }).catch((refusal: unknown) => {
        if (!isWaiting()) return;
        line.splice(line.indexOf(waiting), 1);
        reject(refusal);
      });
    });
  };
}
