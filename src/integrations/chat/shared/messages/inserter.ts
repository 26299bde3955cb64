import type { mongo } from 'mongoose';
import { GatewayError } from '../../../../errors.js';
import { createBoundedMap } from '../../../../platform/bounded-map.js';
import type { Clock } from '../../../../platform/clock.js';
import { isDuplicateKey } from '../../../../platform/mongo/duplicate-key.js';
import { isDatabaseAway } from '../../../../platform/mongo/errors.js';
import { acknowledgedReadConcern } from '../../../../platform/mongo/options.js';
import type { Write, WriteTogether } from '../../../../platform/mongo/write-together.js';
import type { MessageKind, Newest, OrderedMessage } from './kind.js';
import { toTime, toTimeExpression } from './time.js';

/** A message to store. */
export interface Draft<M> {
  /** Without a position; its time can move forward. */
  readonly message: M;
  /** The id of the conversation. */
  readonly parent: string;
  /** The last message according to the conversation. The log may already have later ones. */
  readonly newest: Newest;
  /** Absent: it was checked by reading, and its caller makes it the last message. */
  readonly together?: Together<M> | undefined;
}

/** How one command checks a message, stores it and makes it the last of its conversation. */
export interface Together<M> {
  /** What the checks have found is as remembered. */
  readonly conditions: readonly Write[];
  /**
   * Checks by reading instead.
   * @returns the message to store, or the one that an earlier call has stored
   * @throws the refusal of the message
   */
  check(): Promise<{ readonly message: M; readonly isNew?: false }>;
  toLast(message: M): Write;
}

/** A stored message. */
export interface Stored<M> {
  readonly message: M;
  /** `false`: a retry; an earlier call has stored it. */
  readonly isNew: boolean;
  /** It is the last message of its conversation already, or a later one is. */
  readonly isLast?: boolean;
}

/** Stores messages, each with its position, in one write. */
export interface MessageInserter<M> {
  /** Messages of one conversation get positions in the given order. @returns a result for each */
  insert(drafts: readonly Draft<M>[]): Promise<(Stored<M> | Error)[]>;
}

interface Dependencies<M extends OrderedMessage> {
  kind: MessageKind<M>;
  clock: Clock;
  /** Finds the message with the same `clientMessageId` of the same sender in the same conversation. */
  findStored: (message: M) => Promise<M | null>;
  write: WriteTogether['inOrder'];
}

/** Conversations whose last message a node remembers. */
const REMEMBERED_MAX = 20_000;
/** How often an append is tried again after a conflict. Each needs another message stored within microseconds. */
const ATTEMPTS_MAX = 50;

/**
 * Position n + 1 is stored only after n: the unique index refuses a taken position, and a message is stored only when the
 * position before it is known to be stored. So a message has a higher position than everything that was readable before it
 * was stored, on any node and by any clock. There is no counter, because a reserved number could be stored late.
 *
 * A node remembers the last position of a conversation and inserts at the next one. If another node was faster, the database
 * appends the message after the last one: reading and storing are one command, so a node with a slow connection is not
 * overtaken repeatedly.
 *
 * Messages that were not checked by reading are stored by one command with their conditions. If that does not work out, they
 * are checked by reading and stored as the others.
 */
export function createMessageInserter<M extends OrderedMessage>(dependencies: Dependencies<M>): MessageInserter<M> {
  const { kind, clock, findStored, write } = dependencies;
  const { parent, time } = kind;
  const { collection } = kind.model;
  const remembered = createBoundedMap<Newest>(REMEMBERED_MAX);

  const note = (key: string, message: M): Newest => {
    const newest = newestOf(message);
    if (newest.position > (remembered.get(key)?.position ?? 0)) remembered.set(key, newest);
    return newest;
  };
  const placeOf = (message: M) => ({ _id: message._id, [parent]: message[parent] });
  const newestOf = (message: M): Newest => ({ position: message.position ?? 0, at: message[time] });

  /** Assigns the next positions, as far as this node knows. */
  const assignPositions = (drafts: readonly Draft<M>[]): M[] => {
    const last = new Map<string, Newest>();
    return drafts.map(({ message, parent: key, newest }) => {
      const known = remembered.get(key);
      const before = last.get(key) ?? (known !== undefined && known.position >= newest.position ? known : newest);
      const placed = { ...message, position: before.position + 1, [time]: toTime(clock.now(), before.at) };
      last.set(key, newestOf(placed));
      return placed;
    });
  };

  /** @returns the number of messages stored, in order, and why the next one was not */
  const insertInOrder = async (messages: readonly M[]): Promise<{ count: number; failure?: Failure }> => {
    const [first, ...more] = messages;
    try {
      // Alone it needs no bulk write, which takes the driver longer to prepare.
      if (more.length === 0) await collection.insertOne(first as never);
      else await collection.insertMany([...messages] as never[], { ordered: true });
      return { count: messages.length };
    } catch (error) {
      return toOutcome(error);
    }
  };

  /** The message of an earlier call with the same id, if that can be the reason for a refusal. */
  const findBefore = async (message: M, error: unknown): Promise<Stored<M> | undefined> => {
    if (message.clientMessageId === undefined || !isDuplicateKey(error, 'clientMessageId')) return undefined;
    const before = await findStored(message);
    return before === null ? undefined : { message: before, isNew: false };
  };

  /**
   * The message itself, if an attempt stored it whose reply was lost. By a linearizable read, because a fail-over can undo
   * a write of which nothing more is known.
   */
  const findOwn = async (message: M): Promise<M | null> =>
    (await collection.findOne(placeOf(message) as never, { readConcern: acknowledgedReadConcern })) as M | null;

  /**
   * Stores the message at the next position.
   * @returns the stored message; `undefined` when another one took the position
   */
  const tryAppend = async (message: M): Promise<Stored<M> | undefined> => {
    try {
      await collection.aggregate(toAppending(message)).toArray();
      const stored = (await collection.findOne(placeOf(message) as never)) as M | null;
      return stored === null ? undefined : { message: stored, isNew: true };
    } catch (error) {
      const before = await findBefore(message, error);
      if (before !== undefined) return { ...before, isNew: before.message._id.equals(message._id) };
      if (!isDuplicateKey(error, 'position')) throw error;
      return undefined;
    }
  };

  /** The driver repeats other writes once when the primary changes, but not an aggregation. */
  const repeatAppend = async (message: M, error: unknown): Promise<Stored<M> | undefined> => {
    if (!isDatabaseAway(error)) throw error;
    const own = await findOwn(message);
    return own === null ? tryAppend(message) : { message: own, isNew: true };
  };

  const append = async ({ message, parent: key }: Draft<M>): Promise<Stored<M> | Error> => {
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
      const stored = await tryAppend(message).catch((error: unknown) => repeatAppend(message, error));
      if (stored === undefined) continue;
      if (stored.isNew) note(key, stored.message);
      return stored;
    }
    return new GatewayError('UNAVAILABLE', { retryAfterMs: 1000 });
  };

  const toAppending = (message: M): mongo.Document[] => [
    { $match: { [parent]: message[parent], position: { $gt: 0 } } },
    { $sort: { position: -1 } },
    { $limit: 1 },
    {
      $replaceWith: {
        $mergeObjects: [
          { $literal: message },
          { position: { $add: ['$position', 1] }, [time]: toTimeExpression(clock.now(), `$${time}`) },
        ],
      },
    },
    // Without `on`: the id, in a sharded collection with the shard key.
    { $merge: { into: collection.collectionName, whenMatched: 'fail', whenNotMatched: 'insert' } },
  ];

  const recover = async (draft: Draft<M>, error: Error): Promise<Stored<M> | Error> => {
    try {
      const before = await findBefore(draft.message, error);
      return before ?? (isDuplicateKey(error, 'position') ? await append(draft) : error);
    } catch (failure) {
      return failure as Error;
    }
  };

  /** One command for all. */
  const writeTogether = async (drafts: readonly Draft<M>[], placed: readonly M[]): Promise<Attempt> => {
    const parts = toParts(drafts, placed);
    const inserts = placed.map((insert) => ({ collection: collection.collectionName, insert }));
    const written = await write([...parts.conditions, ...inserts, ...parts.lasts]);
    const done = written === undefined ? -1 : written.done - parts.conditions.length;
    const areLast = written !== undefined && written.error === undefined;
    return { count: Math.min(Math.max(done, 0), placed.length), areChecked: done >= 0, areLast };
  };

  /** @returns the number of leading messages that were stored by a command whose reply was lost */
  const countOwn = async (messages: readonly M[]): Promise<number> => {
    for (const [index, message] of messages.entries()) if ((await findOwn(message)) === null) return index;
    return messages.length;
  };

  /** @returns the messages that were stored, and the rest as it was checked */
  const insertTogether = async (
    drafts: readonly Draft<M>[],
  ): Promise<{ stored: Stored<M>[]; rest: readonly (Draft<M> | Stored<M> | Error)[] }> => {
    const placed = assignPositions(drafts);
    const { count, areChecked, areLast } = await writeTogether(drafts, placed).catch(
      async (error: unknown): Promise<Attempt> => {
        if (!isDatabaseAway(error)) throw error;
        return { count: await countOwn(placed), areChecked: false, areLast: false };
      },
    );
    const stored = placed.slice(0, count).map((message, index): Stored<M> => {
      note(drafts[index]?.parent ?? '', message);
      return { message, isNew: true, isLast: areLast && drafts[index]?.together !== undefined };
    });
    const rest = drafts.slice(count);
    return { stored, rest: areChecked ? rest : await Promise.all(rest.map(check)) };
  };

  const insertChecked = async (drafts: readonly Draft<M>[]): Promise<(Stored<M> | Error)[]> => {
    const results: (Stored<M> | Error)[] = [];
    while (results.length < drafts.length) {
      const rest = drafts.slice(results.length);
      const placed = assignPositions(rest);
      const { count, failure } = await insertInOrder(placed);
      for (const [index, message] of placed.slice(0, count).entries()) {
        note(rest[index]?.parent ?? '', message);
        results.push({ message, isNew: true });
      }
      const failed = rest[count];
      if (failed === undefined || failure === undefined) continue;
      if (failure.isOfOne) results.push(await recover(failed, failure.error));
      else results.push(...rest.slice(count).map(() => failure.error));
    }
    return results;
  };

  return {
    async insert(drafts) {
      if (drafts.every(({ together }) => together === undefined)) return insertChecked(drafts);
      const { stored, rest } = await insertTogether(drafts);
      const inserted = (await insertChecked(rest.filter(isDraft))).values();
      return [...stored, ...rest.map((one) => (isDraft(one) ? (inserted.next().value ?? new Error()) : one))];
    },
  };
}

const isDraft = <M>(one: Draft<M> | Stored<M> | Error): one is Draft<M> => 'parent' in one;

/** Checks a message that was not checked yet. */
async function check<M>(draft: Draft<M>): Promise<Draft<M> | Stored<M> | Error> {
  try {
    const checked = await draft.together?.check();
    if (checked === undefined) return draft;
    const { message, isNew } = checked;
    return isNew === false ? { message, isNew } : { ...draft, message };
  } catch (refusal) {
    return refusal as Error;
  }
}

/** The conditions of messages, and the writes of the last message of each conversation. */
function toParts<M>(drafts: readonly Draft<M>[], placed: readonly M[]) {
  const lasts = new Map<string, Write>();
  for (const [index, { together, parent }] of drafts.entries()) {
    const message = placed[index];
    if (together !== undefined && message !== undefined) lasts.set(parent, together.toLast(message));
  }
  return {
    conditions: [...new Set(drafts.flatMap(({ together }) => together?.conditions ?? []))],
    lasts: [...lasts.values()],
  };
}

/** The outcome of one command for messages. */
interface Attempt {
  /** Messages that were stored, in order. */
  readonly count: number;
  /** All conditions held. */
  readonly areChecked: boolean;
  /** The last messages of the conversations were written too. */
  readonly areLast: boolean;
}

/** How a write ended early. */
interface Failure {
  readonly error: Error;
  /** Whether only the first unstored message is affected, or all remaining ones. */
  readonly isOfOne: boolean;
}

function toOutcome(error: unknown): { count: number; failure: Failure } {
  const { writeErrors } = error as { writeErrors?: unknown };
  const [first]: unknown[] = Array.isArray(writeErrors) ? writeErrors : [];
  if (first === undefined) return { count: 0, failure: { error: error as Error, isOfOne: isDuplicateKey(error) } };
  const { index, code, errmsg } = first as { index: number; code: number; errmsg?: string };
  return { count: index, failure: { error: Object.assign(new Error(errmsg), { code }), isOfOne: true } };
}
