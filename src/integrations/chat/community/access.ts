import { Types } from 'mongoose';
import type { Chat } from '#shared/models/chat.js';
import type { ChatMessage } from '#shared/models/chat-message.js';
import type { Models } from '#shared/models/index.js';
import type { Principal } from '../../../auth/principal.js';
import { GatewayError } from '../../../errors.js';
import { proofOf, readStored, storedValue } from '../../../models/index.js';
import type { Write } from '../../../platform/mongo/write-together.js';
import type { Clock } from '../../../platform/time/clock.js';
import { rooms } from '../../../realtime/rooms.js';
import {
  type Blocks,
  blockedAmong,
  blockedUser,
  type Callers,
  ChatError,
  createRememberedConversations,
  NO_USERS,
  type UserCaller,
} from '../shared/index.js';

/** A chat from the view of a participant. */
export interface ChatAccess {
  readonly caller: UserCaller;
  readonly chat: Chat;
  /** Ids of participants with a block with the caller: neither receives the other's events. */
  readonly blocked: ReadonlySet<string>;
  /** The caller has a block with the other person of a direct chat. */
  readonly isBlocked: boolean;
}

/** Access as last read, and the conditions that it is still the same. Of the chat only what decides about a message is. */
interface RememberedChatAccess extends ChatAccess {
  readonly conditions: readonly Write[];
}

/** The fields of a chat that decide about a message. */
const decisive = ['participants', 'type'] as const;

/** A message in such a chat. */
export interface MessageAccess extends ChatAccess {
  readonly message: ChatMessage;
}

/** The id of a message, and of its chat if the client sent it. */
export interface MessageRef {
  readonly messageId: string;
  readonly chatId?: string | undefined;
}

/** Decides who can read which chat and receive its events. */
export type ChatsAccess = ReturnType<typeof createAccess>;

/**
 * Access is decided by the chat's list of participants. It is read again for each event, so a user who is
 * removed loses access at once, on every node, also when another service removed them.
 */
export function createAccess({
  models,
  callers,
  blocks,
  clock,
}: {
  models: Models;
  callers: Callers;
  blocks: Blocks;
  clock: Clock;
}) {
  const remembered = createRememberedConversations<Chat>({ models, callers, clock });

  /** Replaces values of other services that are not lists, so that entries can be added. */
  const mend = async (chat: Chat): Promise<void> => {
    for (const list of ['participantSettings', 'pinnedMessages'] as const) {
      const stored = storedValue(chat, list);
      if (stored === undefined || Array.isArray(stored)) continue;
      const isNoList = { [list]: { $not: { $type: 'array' } } };
      await models.Chat.updateOne({ _id: chat._id, ...isNoList }, { $set: { [list]: [] } }, { timestamps: false });
    }
  };

  const read = async (id: string): Promise<Chat | null> => {
    const found = await models.Chat.collection.findOne({ _id: new Types.ObjectId(id) });
    return found === null ? null : readStored(models.Chat, found);
  };

  /** Remembers a chat in which the caller has no block with another participant. */
  const remember = (chat: Chat): void => {
    const { collectionName: collection } = models.Chat.collection;
    const conditions = [{ collection, expects: proofOf(chat, decisive) }];
    remembered.remember(chat._id.toHexString(), { conversation: chat, users: chat.participants, conditions });
  };

  const open = async (principal: Principal, id: string): Promise<ChatAccess> => {
    const [{ caller, answer }, chat] = await Promise.all([callers.read(principal, id), read(id)]);
    if (caller.kind !== 'user') throw new GatewayError('NOT_FOUND');
    if (chat === null || !isIn(chat, caller._id)) throw chatNotFound();
    await mend(chat);
    const others = chat.participants.filter((user) => !user.equals(caller._id));
    const known = answer({ users: chat.participants, conditions: [], key: '' });
    const blocked = known === undefined ? await blocks.among(caller, others) : blockedAmong(caller, others, known);
    if (blocked.size === 0) remember(chat);
    return { caller, chat, blocked, isBlocked: chat.type !== 'group' && blocked.size > 0 };
  };

  const openMessage = async (principal: Principal, { messageId, chatId }: MessageRef): Promise<MessageAccess> => {
    const place = { _id: messageId, ...(chatId !== undefined && { chat: chatId }) };
    const message = await models.ChatMessage.findOne(place).lean<ChatMessage>();
    if (message === null) throw messageNotFound();
    const access = await open(principal, message.chat.toHexString()).catch((error: unknown) => {
      throw isNotFound(error) ? messageNotFound() : error;
    });
    return { ...access, message };
  };

  return {
    /** @throws ChatError `NOT_FOUND` for an unknown chat, or one that the caller is not in */
    open,
    /** The access as last read, for a write that has its conditions. */
    remembered(principal: Principal, chatId: string): RememberedChatAccess | undefined {
      const found = remembered.find(principal, chatId);
      if (found === undefined || !isIn(found.conversation, found.caller._id)) return undefined;
      const { caller, conversation: chat, conditions } = found;
      return { caller, chat, blocked: NO_USERS, isBlocked: false, conditions };
    },
    /** To be called when a condition of remembered access did not hold. */
    noteChange: (principal: Principal, chatId: string): void => remembered.noteChange(principal, chatId),
    /** The same with the participants of now, for what follows from an event; `undefined`: the chat was deleted. */
    async again<A extends ChatAccess>(opened: A): Promise<A | undefined> {
      const found = await models.Chat.findById(opened.chat._id, { participants: 1 }).lean<Pick<Chat, 'participants'>>();
      return found === null ? undefined : { ...opened, chat: { ...opened.chat, participants: found.participants } };
    },
    /** The rooms of the participants of now; none of a chat that was deleted. */
    async roomsOf(id: string): Promise<readonly string[]> {
      const found = await models.Chat.findById(id, { participants: 1 }).lean<Pick<Chat, 'participants'>>();
      return (found?.participants ?? []).map((user) => rooms.user(user.toHexString()));
    },
    /** As `open`, for events to the others. @throws ChatError also `FORBIDDEN`, for a block in a direct chat */
    openToSpeak: async (principal: Principal, id: string): Promise<ChatAccess> =>
      ensureHeard(await open(principal, id)),
    /** @throws ChatError `NOT_FOUND` for a message outside the caller's chats */
    openMessage,
    /** As `openMessage` and `openToSpeak`. A deleted message is not found. */
    async openMessageToSpeak(principal: Principal, ref: MessageRef): Promise<MessageAccess> {
      const access = ensureHeard(await openMessage(principal, ref));
      if (access.message.isDeleted === true) throw messageNotFound();
      return access;
    },
  };
}

const isNotFound = (error: unknown): boolean => error instanceof ChatError && error.code === 'NOT_FOUND';

/** One error for a chat that does not exist and one of other users, so that ids cannot be probed. */
export const chatNotFound = () => new ChatError('NOT_FOUND', 'Chat not found or access denied');

/** The same for a message. */
export const messageNotFound = () => new ChatError('NOT_FOUND', 'Message not found or access denied');

/** @throws ChatError `FORBIDDEN` */
export function ensureHeard<A extends ChatAccess>(access: A): A {
  if (access.isBlocked) throw blockedUser();
  return access;
}

/** Whether a user is a participant of a chat. */
const isIn = ({ participants }: Pick<Chat, 'participants'>, user: Types.ObjectId): boolean =>
  participants.some((id) => id.equals(user));
