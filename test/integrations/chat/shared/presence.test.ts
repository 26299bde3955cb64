import { expect, test, vi } from 'vitest';
import { createChatPresence } from '../../../../src/integrations/chat/shared/presence.js';
import { createSnapshots } from '../../../../src/integrations/chat/shared/snapshots.js';
import { createWatchers } from '../../../../src/integrations/chat/shared/watchers.js';
import { createMemoryPresence } from '../../../../src/realtime/presence/memory.js';
import type { GatewaySocket } from '../../../../src/sockets/socket.js';
import { createTestClock } from '../../../support/clock.js';

const USERS = ['a', 'b', 'c'].map((letter) => letter.repeat(24));

/** The presence of users who all share a chat, with what is sent in their common writes. @param consume counts a snapshot */
function createRig(consume: () => Promise<void> = async () => undefined) {
  const clock = createTestClock();
  const store = createMemoryPresence({ clock, graceMs: 0 });
  const writes: string[][] = [];
  const send = (text: string): void => void writes.at(-1)?.push(text);
  const emitter = {
    together<T>(work: () => T): T {
      writes.push([]);
      return work();
    },
    emit: (_target: unknown, { event, payload }: { event: string; payload?: unknown }) =>
      send(`${event} ${(payload as { userId: string }).userId[0]}`),
  };
  const logger = { warn: vi.fn() };
  const snapshots = createSnapshots({ limiter: { consume }, work: { pay: async () => undefined } } as never);
  const contactsOf = vi.fn(
    async (ids: readonly string[]) => new Map(ids.map((id) => [id, { userIds: USERS, rooms: [] }])),
  );
  const presence = createChatPresence(
    { emitter, presence: store, clock, logger } as never,
    {
      blocks: { withUsers: async () => new Map() },
      isWatched: createWatchers({ hasSockets: async () => true }, snapshots),
      noteSeen: async () => undefined,
      snapshots,
    } as never,
    [{ name: 'chat', contactsOf }],
  );
  const connect = async (userId: string): Promise<GatewaySocket> => {
    await store.add({ userId, accountId: '', socketId: `socket of ${userId}`, connectedAt: 0 });
    const toText = (online: readonly string[]): string => online.map(([letter]) => letter).join(' ');
    const emit = (_event: string, { online }: { online: string[] }): void =>
      send(`snapshot of ${userId[0]}: ${toText(online)}`);
    return { nsp: { name: '/' }, data: { principal: { kind: 'user', userId } }, emit } as unknown as GatewaySocket;
  };
  return { presence, store, logger, writes, contactsOf, connect };
}

/** Some users connect in one turn. */
async function connectTogether({ presence, connect }: ReturnType<typeof createRig>, users: readonly string[]) {
  const sockets = await Promise.all(users.map(connect));
  const sent = presence.present(sockets);
  await presence.online(users.map((userId) => ({ userId, accountId: '' })));
  await sent;
}

test('users who connect together get their snapshots and the changes in one write, the snapshot first', async () => {
  const rig = createRig();
  await connectTogether(rig, USERS);
  const snapshots = ['snapshot of a: b c', 'snapshot of b: a c', 'snapshot of c: a b'];
  expect(rig.writes).toEqual([[...snapshots, 'user_online a', 'user_online b', 'user_online c']]);
});

test('the contacts of users who connect together are one read, also if it takes long to count the snapshot', async () => {
  let isCounted = (): void => undefined;
  const counted = new Promise<void>((resolve) => {
    isCounted = resolve;
  });
  const rig = createRig(() => counted);
  const connected = connectTogether(rig, USERS);
  for (let turns = 0; turns < 10; turns += 1) await new Promise(setImmediate);
  expect(rig.contactsOf).not.toHaveBeenCalled();
  isCounted();
  await connected;
  expect(rig.contactsOf.mock.calls).toEqual([[USERS]]);
});

test('snapshots that cannot be read do not keep back the changes', async () => {
  const rig = createRig();
  const { presentAmong } = rig.store;
  rig.store.presentAmong = (userIds) =>
    userIds.length > 1 ? Promise.reject(new Error('away')) : presentAmong(userIds);
  await connectTogether(rig, USERS.slice(0, 2));
  expect(rig.writes).toEqual([['user_online a', 'user_online b']]);
  expect(rig.logger.warn).toHaveBeenCalledWith(expect.anything(), 'chats: sending the presence snapshot failed');
});
