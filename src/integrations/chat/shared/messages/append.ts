import type { mongo } from 'mongoose';
import { GatewayError } from '../../../../errors.js';
import { isDuplicateKey } from '../../../../platform/mongo/duplicate-key.js';
import { isDatabaseAway } from '../../../../platform/mongo/errors.js';
import type { Clock } from '../../../../platform/time/clock.js';
import type { Stored } from './draft.js';
import type { MessageKind, OrderedMessage } from './kind.js';
import { IS_POSITION, lastPositionExpression } from './reader.js';
import type { StoredBefore } from './stored-before.js';
import { toTimeExpression } from './time.js';

/** How often an append is tried again after a conflict. Each needs another message stored within microseconds. */
const ATTEMPTS_MAX = 50;

interface Dependencies<M extends OrderedMessage> {
  kind: MessageKind<M>;
  clock: Clock;
  storedBefore: StoredBefore<M>;
}

/** Stores a message after the last one. @throws GatewayError `UNAVAILABLE` */
export type Append<M> = (message: M) => Promise<Stored<M>>;

/**
 * For a message whose position another node has taken. Reading the last position and storing are one command, so a node with
 * a slow connection is not overtaken repeatedly.
 */
export function createAppend<M extends OrderedMessage>({ kind, clock, storedBefore }: Dependencies<M>): Append<M> {
  const { parent, time } = kind;
  const { collection } = kind.model;

  const toCommand = (message: M): mongo.Document[] => [
    { $match: { [parent]: message[parent], position: IS_POSITION } },
    { $sort: { position: -1 } },
    { $limit: 1 },
    {
      $replaceWith: {
        $mergeObjects: [
          { $literal: message },
          {
            position: { $add: [lastPositionExpression('$position'), 1] },
            [time]: toTimeExpression(clock.now(), `$${time}`),
          },
        ],
      },
    },
    // Without `on`: the id, in a sharded collection with the shard key.
    { $merge: { into: collection.collectionName, whenMatched: 'fail', whenNotMatched: 'insert' } },
  ];

  /** @returns `undefined` when another message took the position */
  const tryOnce = async (message: M): Promise<Stored<M> | undefined> => {
    try {
      await collection.aggregate(toCommand(message)).toArray();
      const own = { _id: message._id, [parent]: message[parent] };
      const stored = (await collection.findOne(own as never)) as M | null;
      return stored === null ? undefined : { message: stored, isNew: true };
    } catch (error) {
      const retried = await storedBefore.findRetried(message, error);
      if (retried !== undefined) return { message: retried, isNew: retried._id.equals(message._id) };
      if (!isDuplicateKey(error, 'position')) throw error;
      return undefined;
    }
  };

  /** The driver repeats other writes once when the primary changes, but not an aggregation. */
  const repeat = async (message: M, error: unknown): Promise<Stored<M> | undefined> => {
    if (!isDatabaseAway(error)) throw error;
    const own = await storedBefore.findOwn(message);
    return own === undefined ? tryOnce(message) : { message: own, isNew: true };
  };

  return async function appendMessage(message) {
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
      const stored = await tryOnce(message).catch((error: unknown) => repeat(message, error));
      if (stored !== undefined) return stored;
    }
    throw new GatewayError('UNAVAILABLE', { retryAfterMs: 1000 });
  };
}
