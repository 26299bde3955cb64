import { Types } from 'mongoose';
import { expect, test, vi } from 'vitest';
import { createConversationPublisher } from '../../../../src/integrations/conversation/publishing/conversation-publisher.js';
import { createSettling } from '../../../../src/platform/concurrency/settling.js';
import { createTestClock } from '../../../support/clock.js';

/** Conversations in which nothing is shown but their titles, and their participants. */
function setUp() {
  const clock = createTestClock();
  const conversations = new Map<string, { _id: Types.ObjectId; title: string; users: Types.ObjectId[] }>();
  const members: { conversation: Types.ObjectId; user: Types.ObjectId; unread_count: number }[] = [];
  const sent: unknown[] = [];
  let reads = 0;
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
  const findMembers = () => {
    reads += 1;
    return answer(members);
  };
  const { publishConversation } = createConversationPublisher({
    models: {
      Member: { find: findMembers },
      User: { collection: { find: () => ({ toArray: () => [] }) } },
    },
    kind,
    publish: (_users: unknown, { payload }: { payload: unknown }) => sent.push(payload),
    findPresent: async (users: string[]) => new Set(users),
    settling: createSettling({ clock, logger: { warn: vi.fn() } as never }),
  } as never);
  /** Tells a participant of a conversation. */
  const tellOf = async (title: string) => {
    const user = new Types.ObjectId();
    const conversation = { _id: new Types.ObjectId(), title, users: [user], last_activity: null, created_by: user };
    const member = { conversation: conversation._id, user, unread_count: 0 };
    conversations.set(String(conversation._id), conversation);
    members.push(member);
    const again = () => publishConversation({ conversation, members: [{ ...member }] } as never);
    await again();
    return {
      again,
      store: (now: string) => conversations.set(String(conversation._id), { ...conversation, title: now }),
      /** Stores a message of another user. */
      say() {
        member.unread_count += 1;
      },
    };
  };
  return { clock, sent, tellOf, readsOf: () => reads, removeAll: () => members.splice(0) };
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

/** A message every second, and what participants are told meanwhile. */
async function talk({
  clock,
  say,
  seconds,
}: {
  clock: ReturnType<typeof setUp>['clock'];
  say: () => void;
  seconds: number;
}) {
  for (let second = 0; second < seconds; second += 1) {
    say();
    clock.advance(1000);
    await turns();
  }
}

test('while messages keep coming, nothing is told again until they pause', async () => {
  const { clock, sent, tellOf } = setUp();
  const { say } = await tellOf('talk');
  sent.length = 0;
  await talk({ clock, say, seconds: 20 });
  expect(sent).toEqual([]);
  for (let look = 0; look < 4; look += 1) {
    clock.advance(1500);
    await turns();
  }
  expect(sent).toMatchObject([{ data: { conversation: { unread_count: 20 } } }]);
});

test('messages that never pause do not keep what is stored from participants for ever', async () => {
  const { clock, sent, tellOf } = setUp();
  const { say } = await tellOf('talk');
  sent.length = 0;
  await talk({ clock, say, seconds: 60 });
  expect(sent.length).toBeGreaterThan(0);
  expect(sent.length).toBeLessThan(4);
});

test('a change that no message makes is told again at once, also while messages keep coming', async () => {
  const { clock, sent, tellOf } = setUp();
  const { say, store } = await tellOf('before');
  sent.length = 0;
  store('after');
  await talk({ clock, say, seconds: 3 });
  expect(sent).toMatchObject([{ data: { conversation: { title: 'after' } } }]);
});

test('participants who are removed while messages keep coming are not compared for ever', async () => {
  const { clock, sent, tellOf, readsOf, removeAll } = setUp();
  const { say } = await tellOf('talk');
  sent.length = 0;
  await talk({ clock, say, seconds: 3 });
  removeAll();
  await talk({ clock, say, seconds: 5 });
  const before = readsOf();
  await talk({ clock, say, seconds: 10 });
  expect([readsOf() - before, sent]).toEqual([0, []]);
});
