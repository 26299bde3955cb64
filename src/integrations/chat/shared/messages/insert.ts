import { Types } from 'mongoose';
import { isDuplicateKey } from '../../../../platform/mongo/duplicate-key.js';
import type { WriteTogether } from '../../../../platform/mongo/write-together.js';
import type { Clock } from '../../../../platform/time/clock.js';
import { createAppend } from './append.js';
import type { Draft, InsertMessages, Stored } from './draft.js';
import type { MessageKind, OrderedMessage } from './kind.js';
import type { Positions } from './positions.js';
import type { MessageReader } from './reader.js';
import type { StoredBefore } from './stored-before.js';
import { createWriteUnchecked } from './write-unchecked.js';

/** How often messages are written with their conditions while other nodes take their positions. Then each is appended. */
const ATTEMPTS_MAX = 5;

interface Dependencies<M extends OrderedMessage> {
  kind: MessageKind<M>;
  clock: Clock;
  positions: Positions<M>;
  reader: Pick<MessageReader<M>, 'read'>;
  storedBefore: StoredBefore<M>;
  write: WriteTogether['inOrder'];
}

/**
 * Position n + 1 is stored only after n: the unique index refuses a taken position, and a message is stored only when the
 * position before it is known to be stored. So a message has a higher position than everything that was readable before it
 * was stored, on any node and by any clock. There is no counter, because a reserved number could be stored late.
 *
 * A message gets the position after the last one that this node knows, of its own messages and of those that other nodes have
 * sent. If another node was faster, the message is appended.
 *
 * Messages that were not checked by reading are stored by one command with their conditions, again at later positions if another
 * node was faster. Those that it does not store are checked by reading, and stored as the others.
 */
export function createInsert<M extends OrderedMessage>({
  kind,
  clock,
  positions,
  reader,
  storedBefore,
  write,
}: Dependencies<M>): InsertMessages<M> {
  const { collection } = kind.model;
  const append = createAppend({ kind, clock, storedBefore });
  const writeUnchecked = createWriteUnchecked({ kind, write, storedBefore });

  const writeInOrder = async (messages: readonly M[]): Promise<Written> => {
    const [first, ...more] = messages;
    try {
      // Alone it needs no bulk write, which takes the driver longer to prepare.
      if (more.length === 0) await collection.insertOne(first as never);
      else await collection.insertMany([...messages] as never[], { ordered: true });
      return { count: messages.length };
    } catch (error) {
      return toWritten(error);
    }
  };

  const recover = async ({ message, parent }: Draft<M>, refusal: Error): Promise<Stored<M> | Error> => {
    try {
      const retried = await storedBefore.findRetried(message, refusal);
      if (retried === undefined && !isDuplicateKey(refusal, 'position')) return refusal;
      const isOwn = retried?._id.equals(message._id) === true;
      const stored = retried === undefined ? await append(message) : { message: retried, isNew: isOwn };
      if (stored.isNew) positions.note(parent, stored.message);
      return stored;
    } catch (error) {
      return error as Error;
    }
  };

  /** @param refusal of the first one, which was tried already */
  const insertChecked = async (drafts: readonly Draft<M>[], refusal?: Error): Promise<(Stored<M> | Error)[]> => {
    const results: (Stored<M> | Error)[] = [];
    const [first] = drafts;
    if (first !== undefined && refusal !== undefined) results.push(await recover(first, refusal));
    while (results.length < drafts.length) {
      const rest = drafts.slice(results.length);
      const messages = positions.assign(rest);
      const { count, failure } = await writeInOrder(messages);
      for (const [index, message] of messages.slice(0, count).entries()) {
        positions.note(rest[index]?.parent ?? '', message);
        results.push({ message, isNew: true });
      }
      const failed = rest[count];
      if (failed === undefined || failure === undefined) continue;
      if (failure.isOfOne) results.push(await recover(failed, failure.error));
      else results.push(...rest.slice(count).map(() => failure.error));
    }
    return results;
  };

  const insertAfterCheck = async (drafts: readonly Draft<M>[]): Promise<(Stored<M> | Error)[]> => {
    const checked = await Promise.all(drafts.map(check));
    const inserted = (await insertChecked(checked.filter(isDraft))).values();
    return checked.map((one) => (isDraft(one) ? (inserted.next().value ?? new Error()) : one));
  };

  /** Another node has taken a position. Unless its messages have arrived meanwhile, the last one is read. */
  const learnLast = async (parent: string, taken: number): Promise<void> => {
    if (positions.isKnown(parent, taken)) return;
    const range = { parent: new Types.ObjectId(parent), after: { position: taken - 1 } };
    const [newest] = await reader.read({ ...range, first: 'newest', limit: 1 });
    if (newest !== undefined) positions.note(parent, newest);
  };

  /** @param results gets the result of each message as soon as it is known, in order */
  const insertUnchecked = async (
    drafts: Draft<M>[],
    { results, takeMore }: { results: (Stored<M> | Error)[]; takeMore: () => readonly Draft<M>[] },
  ): Promise<void> => {
    for (let attempt = 1; ; attempt += 1) {
      const rest = drafts.slice(results.length);
      const messages = positions.assign(rest);
      const { count, areChecked, areLast, refusal } = await writeUnchecked(rest, messages);
      for (const [index, message] of messages.slice(0, count).entries()) {
        positions.note(rest[index]?.parent ?? '', message);
        results.push({ message, isNew: true, isLast: areLast && rest[index]?.unchecked !== undefined });
      }
      const left = rest.slice(count);
      const [failed] = left;
      if (failed === undefined) return;
      const isTaken = areChecked && isDuplicateKey(refusal, 'position');
      if (!isTaken || attempt === ATTEMPTS_MAX) {
        results.push(...(await (areChecked ? insertChecked(left, refusal) : insertAfterCheck(left))));
        return;
      }
      await learnLast(failed.parent, messages[count]?.position ?? 0);
      drafts.push(...takeMore());
    }
  };

  return async function insertMessages(first, takeMore = () => []) {
    if (first.every(({ unchecked }) => unchecked === undefined)) return insertChecked(first);
    const drafts = [...first];
    const results: (Stored<M> | Error)[] = [];
    try {
      await insertUnchecked(drafts, { results, takeMore });
    } catch (error) {
      // Messages of earlier attempts are stored.
      results.push(...drafts.slice(results.length).map(() => error as Error));
    }
    return results;
  };
}

const isDraft = <M>(one: Draft<M> | Stored<M> | Error): one is Draft<M> => 'parent' in one;

/** Checks a message by reading, unless it was. */
async function check<M>(draft: Draft<M>): Promise<Draft<M> | Stored<M> | Error> {
  try {
    const checked = await draft.unchecked?.check();
    if (checked === undefined) return draft;
    const { message, isNew } = checked;
    return isNew === false ? { message, isNew } : { ...draft, message };
  } catch (refusal) {
    return refusal as Error;
  }
}

/** How many of some messages were stored, in order, and why the next one was not. */
interface Written {
  readonly count: number;
  readonly failure?: {
    readonly error: Error;
    /** Whether only the first unstored message is affected, or all remaining ones. */
    readonly isOfOne: boolean;
  };
}

function toWritten(error: unknown): Written {
  const { writeErrors } = error as { writeErrors?: unknown };
  const [first]: unknown[] = Array.isArray(writeErrors) ? writeErrors : [];
  if (first === undefined) return { count: 0, failure: { error: error as Error, isOfOne: isDuplicateKey(error) } };
  const { index, code, errmsg } = first as { index: number; code: number; errmsg?: string };
  return { count: index, failure: { error: Object.assign(new Error(errmsg), { code }), isOfOne: true } };
}
