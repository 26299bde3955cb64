import { isDuplicateKey } from '../../../../platform/mongo/duplicate-key.js';
import { isDatabaseAway } from '../../../../platform/mongo/errors.js';
import type { Write, WriteTogether } from '../../../../platform/mongo/write-together.js';
import type { Draft } from './draft.js';
import type { MessageKind, OrderedMessage } from './kind.js';
import type { StoredBefore } from './stored-before.js';

interface Dependencies<M extends OrderedMessage> {
  kind: Pick<MessageKind<M>, 'model'>;
  write: WriteTogether['inOrder'];
  storedBefore: StoredBefore<M>;
}

/** The outcome of one command for messages. */
interface WrittenUnchecked {
  /** Messages that were stored, in order. */
  readonly count: number;
  /** All conditions held. */
  readonly areChecked: boolean;
  /** Why the next one was not stored, if that concerns it alone. */
  readonly refusal?: Error;
  /** The last messages of the conversations were written too. */
  readonly areLast: boolean;
}

/**
 * Checks messages, stores them and makes them the last ones of their conversations, by one command.
 * @param messages those of the drafts, with positions
 */
export function createWriteUnchecked<M extends OrderedMessage>({
  kind: { model },
  write,
  storedBefore,
}: Dependencies<M>): (drafts: readonly Draft<M>[], messages: readonly M[]) => Promise<WrittenUnchecked> {
  const { collectionName: collection } = model.collection;

  /** @returns the number of leading messages that were stored by a command whose reply was lost */
  const countOwn = async (messages: readonly M[]): Promise<number> => {
    for (const [index, message] of messages.entries()) {
      if ((await storedBefore.findOwn(message)) === undefined) return index;
    }
    return messages.length;
  };

  return async function writeUncheckedMessages(drafts, messages) {
    const conditions = [...new Set(drafts.flatMap(({ unchecked }) => unchecked?.conditions ?? []))];
    const inserts = messages.map((insert) => ({ collection, insert }));
    try {
      const written = await write([...conditions, ...inserts, ...toLasts(drafts, messages)]);
      const done = written === undefined ? -1 : written.done - conditions.length;
      const count = Math.min(Math.max(done, 0), messages.length);
      const error = written?.error;
      return {
        count,
        areChecked: done >= 0,
        areLast: written !== undefined && error === undefined,
        ...(done === count && count < messages.length && isDuplicateKey(error) ? { refusal: error as Error } : {}),
      };
    } catch (error) {
      if (!isDatabaseAway(error)) throw error;
      return { count: await countOwn(messages), areChecked: false, areLast: false };
    }
  };
}

/** One write for each conversation. */
function toLasts<M>(drafts: readonly Draft<M>[], messages: readonly M[]): Write[] {
  const lasts = new Map<string, Write>();
  for (const [index, { unchecked, parent }] of drafts.entries()) {
    const message = messages[index];
    if (unchecked !== undefined && message !== undefined) lasts.set(parent, unchecked.toLast(message));
  }
  return [...lasts.values()];
}
