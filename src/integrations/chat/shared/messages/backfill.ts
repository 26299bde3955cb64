import { Types } from 'mongoose';
import { NO_POSITION_INDEX, noPosition } from '#shared/models/message-position.js';
import { createBoundedMap } from '../../../../platform/bounded-map.js';
import { isDuplicateKey } from '../../../../platform/mongo/duplicate-key.js';
import { isServerError } from '../../../../platform/mongo/errors.js';
import type { MessageKind, OrderedMessage } from './kind.js';
import { IS_POSITION, lastPositionIn } from './reader.js';

/** Messages that get positions in one call; the next read continues. */
const AT_ONCE_MAX = 100;
const ATTEMPTS_MAX = 20;
const REMEMBERED_MAX = 20_000;

/**
 * Assigns positions to messages that other services stored after a conversation got its first position: after all others, in
 * the order of their times, when the conversation is read. So a reader who has seen the last message finds them after it.
 * Messages older than the first position stay without. Something else in the place of a position counts as none.
 * @param onAssigned called for each message that got a position
 */
export function createPositionBackfill<M extends OrderedMessage>(
  { model, parent: parentField, time }: MessageKind<M>,
  onAssigned: (parent: Types.ObjectId, position: number) => void,
): (parent: Types.ObjectId) => Promise<void> {
  const { collection } = model;
  /** The time of the first message with a position. It never changes. */
  const began = createBoundedMap<Date>(REMEMBERED_MAX);

  const edgeOf = async (parent: Types.ObjectId, order: 1 | -1): Promise<M | undefined> => {
    const [found] = await collection
      .find({ [parentField]: parent, position: IS_POSITION }, { sort: { position: order }, limit: 1 })
      .toArray();
    return found as M | undefined;
  };

  const beginningOf = async (parent: Types.ObjectId): Promise<Date | undefined> => {
    const key = parent.toHexString();
    const known = began.get(key);
    if (known !== undefined) return known;
    const at: unknown = (await edgeOf(parent, 1))?.[time];
    if (!(at instanceof Date)) return undefined;
    began.set(key, at);
    return at;
  };

  /** Messages with something else in its place. Of a list the index of positions has each number: that is shown. */
  const findOdd = async (parent: Types.ObjectId): Promise<Types.ObjectId[]> => {
    const odd = { [parentField]: parent, ...noPosition, $nor: [{ position: IS_POSITION }] };
    const options = { hint: NO_POSITION_INDEX, projection: { _id: 1 }, limit: AT_ONCE_MAX };
    try {
      return (await collection.find(odd as never, options).toArray()).map(({ _id }) => _id as Types.ObjectId);
    } catch (error) {
      // The index may still be built, or be none that this database can have. Without it the whole conversation would be read.
      if (isServerError(error, 'BAD_VALUE') || isServerError(error, 'NO_QUERY_PLAN')) return [];
      throw error;
    }
  };

  /** Messages without a position that were stored after the first one with a position. */
  const findStrays = async (parent: Types.ObjectId, since: Date): Promise<M[]> => {
    const without = { [parentField]: parent, position: null };
    const firstId = Types.ObjectId.createFromTime(Math.ceil(since.getTime() / 1000));
    const strays = {
      $or: [
        { ...without, [time]: { $gt: since } },
        { ...without, [time]: null, _id: { $gt: firstId } },
      ],
    };
    const found = await collection.find(strays as never, { limit: AT_ONCE_MAX }).toArray();
    return (found as unknown as M[]).sort((one, other) => timeOf(one) - timeOf(other));
  };

  const timeOf = (message: M): number => {
    const at: unknown = message[time];
    return at instanceof Date ? at.getTime() : message._id.getTimestamp().getTime();
  };

  const assignPosition = async (parent: Types.ObjectId, { _id, [parentField]: stored }: M): Promise<void> => {
    // Positions are unique within one form of the parent's id. Another service may have stored the other one.
    const repaired = stored instanceof Types.ObjectId ? {} : { [parentField]: parent };
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
      const newest = await edgeOf(parent, -1);
      const position = lastPositionIn(newest?.position) + 1;
      try {
        const stray = { _id, position: null, [parentField]: stored } as never;
        const { modifiedCount } = await collection.updateOne(stray, { $set: { position, ...repaired } } as never);
        if (modifiedCount > 0) onAssigned(parent, position);
        return;
      } catch (error) {
        if (!isDuplicateKey(error, 'position')) throw error;
      }
    }
  };

  return async function backfillPositions(parent) {
    const [since, odd] = await Promise.all([beginningOf(parent), findOdd(parent)]);
    if (odd.length > 0) {
      const stillOdd = { _id: { $in: odd }, [parentField]: parent, $nor: [{ position: IS_POSITION }] };
      await collection.updateMany(stillOdd as never, { $unset: { position: '' } } as never);
    }
    if (since === undefined) return;
    for (const stray of await findStrays(parent, since)) await assignPosition(parent, stray);
  };
}
