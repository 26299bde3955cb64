import type { KeyedMutex } from '../../platform/concurrency/keyed-mutex.js';

/** Messages that are stored together in a conversation. */
const TOGETHER_MAX = 50;

interface Dependencies<Message, Stored> {
  /** Runs alone in a conversation. */
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
  /** Its turn did not come in time while an earlier turn had taken it. */
  refusal?: Error;
}

/**
 * Stores the messages of a conversation in the order of their arrival. Those that wait when a turn comes are stored in that turn, so
 * a busy conversation takes few transactions.
 * @returns stores a message. Rejects with its refusal, or when its turn has not come in time; then it is never stored.
 */
export function createMessageQueue<Message, Stored>({ inTurn, storeFirst }: Dependencies<Message, Stored>) {
  const lines = new Map<string, Waiting<Message, Stored>[]>();

  /** Ends the wait of a message. @returns `false` for one that was taken */
  const remove = (id: string, waiting: Waiting<Message, Stored>): boolean => {
    const line = lines.get(id) ?? [];
    const index = line.indexOf(waiting);
    if (index < 0) return false;
    line.splice(index, 1);
    if (line.length === 0) lines.delete(id);
    return true;
  };

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
    const results = await storeFirst(take);
    for (const result of results) taken.shift()?.settle(result);
    // Those that were not tried wait for their own turns again, unless these did not come in time.
    for (const { settle, refusal } of taken) if (refusal !== undefined) settle(refusal);
    const line = [...taken.filter(({ refusal }) => refusal === undefined), ...(lines.get(id) ?? [])];
    if (line.length > 0) lines.set(id, line);
  };

  return function storeInOrder(id: string, message: Message): Promise<Stored> {
    return new Promise((resolve, reject) => {
      const settle = (result: Stored | Error): void => (result instanceof Error ? reject(result) : resolve(result));
      const waiting: Waiting<Message, Stored> = { message, settle };
      const line = lines.get(id);
      if (line === undefined) lines.set(id, [waiting]);
      else line.push(waiting);
      inTurn([id], async () => {
        // An earlier turn may have stored it.
        if (lines.get(id)?.includes(waiting) === true) await storeWaiting(id);
      }).catch((refusal: Error) => {
        if (remove(id, waiting)) reject(refusal);
        else waiting.refusal = refusal;
      });
    });
  };
}
