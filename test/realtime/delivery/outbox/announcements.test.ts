import { expect, test } from 'vitest';
import { type RoomMessages, silentBus } from '../../../../src/realtime/bus.js';
import { withKey } from '../../../../src/realtime/delivery/message.js';
import { createAnnouncer } from '../../../../src/realtime/delivery/outbox/notifications.js';
import { createEntry } from '../../../../src/realtime/delivery/storage/entry.js';

/** An announcer, and what it publishes. */
function openAnnouncer() {
  const published: (readonly RoomMessages[])[] = [];
  /** Whether another node holds the rooms; `undefined`: not known. */
  const state: { isHeld: boolean | undefined } = { isHeld: false };
  const announce = createAnnouncer({
    ...silentBus,
    async publishToRooms(_topic, messages) {
      published.push(messages);
      const { isHeld } = state;
      return { isComplete: true, areHeld: isHeld === undefined ? undefined : messages.map(() => isHeld) };
    },
  });
  return { announce, published, state };
}

const entryOf = (userId: string, position: number) =>
  createEntry({
    id: `${userId} ${position}`,
    recipient: withKey({ site: '', userId }),
    position,
    namespace: '/v1/shared',
    body: '["m",{"n":1}]',
    createdAt: 1,
    expireAt: null,
    isResync: false,
    keepsReceipt: true,
    hasPush: false,
  });

const summaryOf = (messages: readonly RoomMessages[] | undefined) =>
  messages?.map(({ room, messages: own, retained }) => ({
    room,
    positions: own.map((message) => (message as { position: number }).position),
    haveContent: own.every((message) => 'body' in (message as object)),
    retained: (retained as { position: number }).position,
  }));

test('entries of one user travel together, and the place of the last one is retained', async () => {
  const { announce, published } = openAnnouncer();
  const [ada, ben] = [[1, 2, 3].map((position) => entryOf('ada', position)), entryOf('ben', 7)] as const;
  const isHeld = announce([...ada.slice(0, 2), ben, ...ada.slice(2)]);
  expect(published.map(summaryOf)).toEqual([
    [
      { room: 'user:ada', positions: [1, 2, 3], haveContent: true, retained: 3 },
      { room: 'user:ben', positions: [7], haveContent: true, retained: 7 },
    ],
  ]);
  expect(await Promise.all([...ada, ben].map(isHeld))).toEqual([false, false, false, false]);
});

test('an announced entry has what its sockets need, and not what only the database has to know', () => {
  const { announce, published } = openAnnouncer();
  const { content: _, ...fields } = entryOf('ada', 1);
  const call = { requestId: 'r', origin: { node: 'a', key: 'k' }, traceparent: 't' };
  announce([createEntry({ ...fields, ...call })]);
  const expected = { ...fields, ...call, recipient: fields.recipient.key, requestId: undefined, origin: undefined };
  expect(published[0]?.[0]?.messages).toEqual([expected]);
});

test('entries of a user whom no other node has are announced by the last place, until one has the user', async () => {
  const { announce, published, state } = openAnnouncer();
  const haveContent = async (position: number, isHeld: boolean | undefined) => {
    state.isHeld = isHeld;
    const entries = [entryOf('ada', position - 0.5), entryOf('ada', position)];
    expect(await Promise.all(entries.map(announce(entries)))).toEqual([isHeld, isHeld]);
    const [summary] = summaryOf(published.at(-1)) ?? [];
    if (summary?.haveContent === false) expect(summary.positions).toEqual([position]);
    return summary?.haveContent;
  };
  expect(await haveContent(1, false)).toBe(true);
  expect(await haveContent(2, false)).toBe(false);
  expect(await haveContent(3, true)).toBe(false);
  expect(await haveContent(4, true)).toBe(true);
  expect(await haveContent(5, false)).toBe(true);
  expect(await haveContent(6, undefined)).toBe(false);
  expect(await haveContent(7, false)).toBe(true);
});
