import { Types } from 'mongoose';
import { expect, test, vi } from 'vitest';
import { createTell } from '../../../src/integrations/conversation/tell.js';
import { createSettling } from '../../../src/platform/settling.js';
import { createTestClock } from '../../support/clock.js';

/** Conversations in which nothing is shown but their titles, and their participants. */
function setUp() {
  const clock = createTestClock();
  const conversations = new Map<string, { _id: Types.ObjectId; title: string; users: Types.ObjectId[] }>();
  const members: { conversation: Types.ObjectId; user: Types.ObjectId }[] = [];
  const sent: unknown[] = [];
  const answer = (found: unknown) => ({ lean: async () => found });
  const kind = {
    name: 'team',
    conversations: {
      findById: (id: Types.ObjectId) => answer(conversations.get(String(id)) ?? null),
      find: () => answer([...conversations.values()]),
    },
    describe:
      async () =>
      ({ title }: { title: string }) => ({ title, image: [] }),
    describeMessages: async () => () => undefined,
  };
  const { tell } = createTell({
    models: { Member: { find: () => answer(members) }, User: { collection: { find: () => ({ toArray: () => [] }) } } },
    kind,
    publish: (_users: unknown, { payload }: { payload: unknown }) => sent.push(payload),
    findPresent: async (users: string[]) => new Set(users),
    settling: createSettling({ clock, logger: { warn: vi.fn() } as never }),
  } as never);
  /** Tells a participant of a conversation. */
  const tellOf = async (title: string) => {
    const user = new Types.ObjectId();
    const conversation = { _id: new Types.ObjectId(), title, users: [user], last_activity: null, created_by: user };
    const member = { conversation: conversation._id, user };
    conversations.set(String(conversation._id), conversation);
    members.push(member);
    const again = () => tell({ conversation, members: [member] } as never);
    await again();
    return {
      again,
      store: (now: string) => conversations.set(String(conversation._id), { ...conversation, title: now }),
    };
  };
  return { clock, sent, tellOf };
}

/** What is read meanwhile arrives. */
const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
};

test('what was told just before others are compared is compared later', async () => {
  const { clock, sent, tellOf } = setUp();
  const { again, store } = await tellOf('before');
  clock.advance(1490);
  await again();
  clock.advance(20);
  await turns();
  sent.length = 0;
  // On another node, whose event is faster than that of the last change here.
  store('after');
  clock.advance(5000);
  await turns();
  expect(sent).toMatchObject([{ data: { conversation: { title: 'after' } } }]);
});
