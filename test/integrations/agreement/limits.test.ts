import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../../support/environment.js';
import { addChat } from '../chat/community/community.js';
import { addConversation } from '../chat/support/chat.js';
import { type Connection, openConnection } from './device.js';

/* What a limit still leaves room for, two nodes do not exceed together, and do not leave unused. */

const ROOM = 3;
const CALLS = 8;
const FILE_BYTES = 1000;

let environment: TestEnvironment;

beforeAll(async () => {
  const env = { FILE_QUOTA: String(ROOM * FILE_BYTES), MESSAGE_LIMIT: String(ROOM) };
  environment = await createTestEnvironment({ nodes: 2, env });
});
afterAll(() => environment.close());

/** What a user may have only so much of. */
interface Limited {
  readonly what: string;
  readonly max: number;
  readonly code: string;
  /** Fills it but for {@link ROOM}. */
  fill(ann: TestUser, client: Connection): Promise<Filled>;
}

interface Filled {
  /** Adds one more. */
  add(by: Connection, index: number): Promise<{ success: boolean; code?: string; message?: string }>;
  count(): Promise<number>;
}

const idsOf = (count: number): Types.ObjectId[] => Array.from({ length: count }, () => new Types.ObjectId());

const limits: readonly Limited[] = [
  {
    what: 'pins of a chat',
    max: 50,
    code: 'CONFLICT',
    async fill(ann, { chat }) {
      const chatId = await addChat(environment, [ann], { type: 'group', pinnedMessages: idsOf(50 - ROOM) });
      const send = async (): Promise<string> =>
        dataOf(await chat.ask('chat:send_message', { chatId, content: 'x' }))._id;
      const messages = await Promise.all(Array.from({ length: CALLS }, send));
      return {
        add: (by, index) => by.chat.ask('chat:pin_message', { messageId: messages[index] }),
        count: async () => (await environment.models.Chat.findById(chatId).lean())?.pinnedMessages?.length ?? 0,
      };
    },
  },
  {
    what: 'reactions to a message',
    max: 500,
    code: 'CONFLICT',
    async fill(ann, { chat }) {
      const chatId = await addChat(environment, [ann], { type: 'group' });
      const { _id: messageId } = dataOf(await chat.ask('chat:send_message', { chatId, content: 'x' }));
      const reactions = idsOf(500 - ROOM).map((user) => ({ user, emoji: '👍' }));
      await environment.models.ChatMessage.updateOne({ _id: messageId }, { reactions });
      const emoji = ['👍', '🎉', '😀', '🚀', '🍎', '🐱', '🌍', '🔥'];
      return {
        add: (by, index) => by.chat.ask('chat:add_reaction', { messageId, emoji: emoji[index] }),
        count: async () => (await environment.models.ChatMessage.findById(messageId).lean())?.reactions?.length ?? 0,
      };
    },
  },
  {
    what: 'users of a conversation',
    max: 500,
    code: 'VALIDATION_ERROR',
    async fill({ accountId }, { team }) {
      const users = idsOf(500 - ROOM - 1 + CALLS).map((_id) => ({
        _id,
        account: new Types.ObjectId(accountId),
        name: 'x',
      }));
      await environment.models.User.insertMany(users);
      const ids = users.map(({ _id }) => String(_id));
      const made = await team.ask('add_conversation', { users: ids.slice(CALLS), channel_id: 'general' });
      const { _id: conversation_id } = dataOf(made).conversation;
      return {
        add: (by, index) => by.team.ask('add_participant', { conversation_id, users: [ids[index]] }),
        async count() {
          const found = await environment.models.Conversation.findById(conversation_id).lean();
          const members = await environment.models.Member.countDocuments({ conversation: conversation_id });
          expect(members).toBe(found?.users.length);
          return members;
        },
      };
    },
  },
  {
    what: 'bytes of files of a user',
    max: ROOM * FILE_BYTES,
    code: 'QUOTA_EXCEEDED',
    fill: async ({ id }) => ({
      add: (by) => by.chat.ask('file_upload', Buffer.alloc(FILE_BYTES, 'x')),
      async count() {
        const files = environment.connection.collection('support.files.files');
        const found = await files.find({ 'metadata.owner.id': id }).toArray();
        return found.reduce((sum, { length }) => sum + length, 0);
      },
    }),
  },
  {
    what: 'messages of a user in a minute',
    max: ROOM,
    code: 'RATE_LIMITED',
    async fill(ann) {
      const conversationId = await addConversation(environment, [ann]);
      return {
        add: (by, index) => by.chat.ask('send_message', { conversationId, content: String(index) }),
        count: () => environment.models.SupportMessage.countDocuments({ conversationId }),
      };
    },
  },
];

test.each(limits)('two nodes at once add as many $what as there may be', async ({ max, code, fill }) => {
  const [ann] = await environment.people('Ann');
  const devices = await Promise.all([0, 1].map((node) => openConnection(environment, ann, node)));
  const [here, there] = devices as [Connection, Connection];
  const { add, count } = await fill(ann, here);
  const answers = await Promise.all(
    Array.from({ length: CALLS }, (_, index) => add(index % 2 === 0 ? here : there, index)),
  );
  expect(answers.filter(({ success }) => success)).toHaveLength(ROOM);
  const refused = answers.filter(({ success }) => !success);
  expect(refused.map((answer) => answer.code ?? answer.message)).toEqual(refused.map(() => code));
  expect(await count()).toBe(max);
});
