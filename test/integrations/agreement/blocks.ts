import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Play } from './play.js';

/** Longer than what was done before a block is compared and sent again. */
const SETTLED_MS = 5000;

/** Pairs of users with a block between them. */
const PAIRS = 2;

/** Who has done what an event is about. */
// biome-ignore lint/suspicious/noExplicitAny: a test looks into payloads without declaring their form again
const actorOf: Readonly<Record<string, (payload: any) => unknown>> = {
  message: ({ sent_by }) => sent_by._id,
  read: ({ userID }) => userID,
  active_status: ({ userID }) => userID,
  new_message: ({ senderId }) => senderId,
  message_edited: ({ senderId }) => senderId,
  message_deleted: ({ deletedBy }) => deletedBy,
  message_read: ({ readBy }) => readBy,
  user_typing: ({ userId }) => userId,
  user_stopped_typing: ({ userId }) => userId,
  conversation_assigned: ({ assignedBy }) => assignedBy,
  conversation_closed: ({ closedBy }) => closedBy,
  'chat:new_message': ({ message }) => message.sender,
  'chat:message_edited': ({ message }) => message.sender,
  'chat:message_deleted': ({ deletedBy }) => deletedBy,
  'chat:message_read': ({ userId }) => userId,
  'chat:message_reaction': ({ userId }) => userId,
  'chat:user_typing': ({ userId }) => userId,
  'chat:user_joined': ({ userId }) => userId,
  'presence:status_changed': ({ userId }) => userId,
  user_online: ({ userId }) => userId,
};

/**
 * Blocks users from each other while a part of the history is played: neither may hear of what the other does. Then they connect
 * again, because what was not sent to them is stored.
 */
export async function withBlocks(play: Play, playOn: () => Promise<void>): Promise<void> {
  const { environment, scene, random, devices } = play;
  await sleep(SETTLED_MS);
  const blocks = Array.from({ length: PAIRS }, () => [random.pick(scene.people), random.pick(scene.people)] as const);
  const heard: unknown[] = [];
  for (const [one, other] of blocks.filter(([one, other]) => one !== other)) {
    await environment.models.User.updateOne({ _id: one.id }, { $addToSet: { blockedUsers: other.id } });
    for (const { connection } of devices) {
      const { user, chat, team } = connection ?? {};
      if (user !== one && user !== other) continue;
      const blocked = user === one ? other : one;
      for (const client of [chat, team]) {
        client?.socket.onAny((event, payload) => {
          if (actorOf[event]?.(payload) === blocked.id) heard.push([user.name, event, payload]);
        });
      }
    }
  }
  await playOn();
  expect(heard).toEqual([]);
  const ids = blocks.flat().map(({ id }) => id);
  await environment.models.User.updateMany({ _id: { $in: ids } }, { $set: { blockedUsers: [] } });
  for (const device of devices) {
    const { connection } = device;
    if (connection === undefined || !ids.includes(connection.user.id)) continue;
    device.disconnect();
    await device.connect(connection.node);
  }
}
