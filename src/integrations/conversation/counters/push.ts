import { conversationNamespaces } from '#shared/contracts/namespaces.js';
import type { Counter } from '#shared/models/counter.js';
import type { Models } from '#shared/models/index.js';
import type { Settling } from '../../../platform/concurrency/settling.js';
import { chunksOf } from '../../../platform/lists.js';
import type { Emitter } from '../../../realtime/emitter.js';
import type { FindPresent } from '../../../realtime/present-users.js';
import { rooms } from '../../../realtime/rooms.js';
import { countersOf, type Push } from './ledger.js';

interface Dependencies {
  models: Pick<Models, 'Counter'>;
  emitter: Emitter;
  settling: Settling;
  findPresent: FindPresent;
}

/** Users whose counters are read together. */
const READ_MAX = 1000;

const keyOf = ({ userId, channelId }: Pick<Push, 'userId' | 'channelId'>): string => `${userId} ${channelId}`;

/** The stored counters as they are sent. */
export const toPush = (counter: Counter): Push => {
  const { user, channel_id: channelId, version } = counter;
  return { userId: user.toHexString(), channelId, counters: countersOf(counter), version };
};

/**
 * Sends counters to their users, and later those of a higher version: a client that has read them in between, on another node, knows
 * no version by which it could drop the ones that were sent.
 */
export function createPushCounters({ models, emitter, settling, findPresent }: Dependencies) {
  const push = ({ userId, channelId, counters, version }: Push): void => {
    emitter.emit(
      { namespaces: conversationNamespaces, rooms: [rooms.user(userId)] },
      { event: 'counters', payload: { channel_id: channelId, counters, version } },
    );
  };

  const readOf = async (userIds: readonly string[]): Promise<Push[]> =>
    (await models.Counter.find({ user: { $in: userIds } }).lean<Counter[]>()).map(toPush);

  const send = (pushes: readonly Push[]): void => {
    for (const one of pushes) push(one);
    settling.settleEach<Push, Push[]>('counters', {
      sent: pushes.map((one) => [keyOf(one), one]),
      async read(sent) {
        const userIds = [...new Set(Array.from(sent.values(), ({ userId }) => userId))];
        const stored = (await Promise.all(Array.from(chunksOf(userIds, READ_MAX), readOf))).flat();
        return stored.filter((one) => one.version > (sent.get(keyOf(one))?.version ?? one.version));
      },
      send: (later) => send(later),
    });
  };

  return async function pushCounters(pushes: readonly Push[]): Promise<void> {
    if (pushes.length === 0) return;
    const present = await findPresent([...new Set(pushes.map(({ userId }) => userId))]);
    send(pushes.filter(({ userId }) => present.has(userId)));
  };
}
