import type { Types } from 'mongoose';
import { POSITION_MAX } from '#shared/models/message-position.js';
import { readNumber, storedValue } from '../../../../models/index.js';
import {
  comparePlaces,
  type KeysetPlace,
  placeOfTime,
  readAfter,
  withUsableId,
} from '../../../../platform/mongo/keyset.js';
import type { MessageKind, OrderedMessage } from './kind.js';

/**
 * A cursor in a conversation. Messages without a position come first, in the order of their times, then those with one.
 */
export interface Cursor {
  /** Among the messages with a position; 0: before all of them. */
  readonly position: number;
  /** Among those without; `undefined`: after all of them. */
  readonly timed?: KeysetPlace | undefined;
}

/** Which messages to read. */
interface MessageRange {
  readonly parent: Types.ObjectId;
  /** Only messages after this cursor. */
  readonly after?: Cursor | undefined;
  /** Only messages before this cursor. */
  readonly before?: Cursor | undefined;
  /** Which end to read from: `oldest` reads from `after` forwards, `newest` from `before` backwards. */
  readonly first: 'oldest' | 'newest';
  readonly limit: number;
  /** Additional conditions. */
  readonly where?: Readonly<Record<string, unknown>>;
  /** Fields to read, besides those that the order needs; absent: all. */
  readonly projection?: Readonly<Record<string, 1>>;
}

/** Reads the messages of conversations in their order. */
export interface MessageReader<M> {
  read(range: MessageRange): Promise<M[]>;
  cursorOf(message: M): Cursor;
  /** A cursor at a time. Messages of that millisecond are neither before nor after it. */
  cursorAt(parent: Types.ObjectId, at: Date, side: 'before' | 'after'): Promise<Cursor>;
}

/** A position, for filters: the lower bound matches that of the partial index. */
export const IS_POSITION = { $gt: 0, $lt: POSITION_MAX } as const;

/** Whether a message has a position. Other services store none. */
export const isPositioned = <M extends OrderedMessage>(message: M): message is M & { position: number } =>
  typeof message.position === 'number' && message.position > 0 && message.position < POSITION_MAX;

/**
 * The position after which the next message comes; 0: none. Something else than a whole number may be stored in its place, and the
 * unique index has each number of a list.
 */
export const lastPositionIn = (stored: unknown): number =>
  Array.isArray(stored) ? Math.max(0, ...stored.map(wholeIn)) : wholeIn(stored);

const wholeIn = (stored: unknown): number => {
  const position = readNumber(stored) ?? 0;
  return position > 0 && position < POSITION_MAX ? position : 0;
};

/** The same as a MongoDB expression. */
export const lastPositionExpression = (field: string): object => {
  const isNumber = {
    $and: [{ $isNumber: '$$position' }, { $gt: ['$$position', 0] }, { $lt: ['$$position', POSITION_MAX] }],
  };
  const all = { $cond: [{ $isArray: [field] }, field, [field]] };
  return { $toLong: { $max: { $filter: { input: all, as: 'position', cond: isNumber } } } };
};

/** Messages without a position come before all others, in the order of their times. */
export function createMessageReader<M extends OrderedMessage>(kind: MessageKind<M>): MessageReader<M> {
  const { model, parent: parentField, time } = kind;
  const { collection } = model;

  const readPositioned = async (range: MessageRange): Promise<M[]> => {
    const { parent, after, before, first, limit, where } = range;
    const low = after?.position ?? 0;
    const high = before?.position ?? POSITION_MAX;
    if (limit <= 0 || high <= low + 1) return [];
    // The lower bound matches the filter of the partial index.
    const position = { $gt: Math.max(low, 0), $lt: high };
    const sort = { position: first === 'oldest' ? 1 : -1 } as const;
    const options = { sort, limit, ...toProjection(range) };
    const filter = { ...withUsableId, [parentField]: parent, position, ...where };
    return (await collection.find(filter as never, options).toArray()) as unknown as M[];
  };

  const readTimed = async (range: MessageRange): Promise<M[]> => {
    const { parent, after, before, first, limit, where } = range;
    if (limit <= 0 || (after !== undefined && after.timed === undefined)) return [];
    const isUpwards = first === 'oldest';
    const [from, until] = isUpwards ? [after, before?.timed] : [before, after?.timed];
    // Backwards: bounds the index scan at the other end too, because the limit may be far beyond it.
    const end = !isUpwards && until?.value instanceof Date ? { $and: [{ [time]: { $gte: until.value } }] } : {};
    const base = { [parentField]: parent, position: null, ...where, ...end };
    const direction = isUpwards ? 'ascending' : 'descending';
    const list = { base, field: time, direction, ...toProjection(range) } as const;
    const found = await readAfter<M>(model, list, { place: from?.timed, limit });
    if (until === undefined) return found;
    return found.filter((message) => isUpwards === comparePlaces(toPlace(message), until, direction) < 0);
  };

  const toProjection = ({ projection }: MessageRange) =>
    projection === undefined ? {} : { projection: { ...projection, position: 1 as const, [time]: 1 as const } };

  const toPlace = (message: M): KeysetPlace => ({ value: storedValue(message, time), _id: message._id });

  return {
    async read(range) {
      const [readFirst, readThen] =
        range.first === 'oldest' ? [readTimed, readPositioned] : [readPositioned, readTimed];
      const found = await readFirst(range);
      if (found.length >= range.limit) return found;
      return [...found, ...(await readThen({ ...range, limit: range.limit - found.length }))];
    },

    cursorOf: (message) =>
      isPositioned(message) ? { position: message.position } : { position: 0, timed: toPlace(message) },

    async cursorAt(parent, at, side) {
      const isAfter = side === 'after';
      const range = { [parentField]: parent, [time]: isAfter ? { $gt: at } : { $gte: at }, position: IS_POSITION };
      const [next] = await collection.find(range, { sort: { [time]: 1 }, limit: 1 }).toArray();
      const position = next === undefined ? POSITION_MAX : lastPositionIn((next as unknown as M).position);
      return {
        position: isAfter ? position - 1 : position,
        timed: placeOfTime(at, isAfter ? 'ascending' : 'descending'),
      };
    },
  };
}
