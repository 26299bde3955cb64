import { Types } from 'mongoose';
import type { SupportFile, SupportMessage } from '#shared/models/support-message.js';
import type { Principal } from '../../auth/principal.js';
import { GatewayError } from '../../errors.js';
import type { Clock } from '../../platform/clock.js';
import { createTurns } from '../../platform/turns.js';
import type { Limit, RateLimiter } from '../../realtime/rate-limit.js';
import { ChatError } from '../chats/index.js';
import { type ConversationAccess, ensureOpen, toId } from './access.js';
import type { Announce } from './announce.js';
import type { MessageStore } from './message-store.js';
import type { Newest } from './newest.js';
import { ownRoomOf, toIdentity } from './people.js';
import { toWireMessage, type WireMessage } from './to-wire.js';

/** What somebody wants to say. */
export interface Draft {
  readonly conversationId: string;
  readonly content: string;
  readonly type: SupportMessage['type'];
  readonly clientMessageId?: string | undefined;
  readonly metadata?: Record<string, unknown> | undefined;
  readonly file?: SupportFile;
}

/**
 * Says something.
 * @param onSent called with the id once the message is stored and sent, or has been before
 * @throws ChatError as long as nothing is stored; never after that
 */
export type Send = (principal: Principal, draft: Draft, onSent?: (id: string) => void) => Promise<WireMessage>;

interface Dependencies {
  access: ConversationAccess;
  announce: Announce;
  store: MessageStore;
  newest: Newest;
  limiter: RateLimiter;
  limit: Limit;
  clock: Clock;
}

/**
 * Stores, then sends, then notes the conversation's last message. What one person says in one conversation is dated and
 * sent in the order in which it came, though several messages are looked at and stored at the same time.
 */
export function createSend({ access, announce, store, newest, limiter, limit, clock }: Dependencies): Send {
  const turns = createTurns();

  const ensureWithinLimit = async (principal: Principal): Promise<void> => {
    try {
      await limiter.consume('support:message', ownRoomOf(toIdentity(principal)), limit);
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'RATE_LIMITED') throw error;
      const info = { limit: limit.points, windowMs: limit.windowMs, ...error.info };
      throw new ChatError('RATE_LIMITED', 'Rate limit exceeded', info);
    }
  };

  return async (principal, draft, onSent) => {
    const identity = toIdentity(principal);
    const conversationId = new Types.ObjectId(draft.conversationId);
    const stamp = { _id: new Types.ObjectId(), conversationId, timestamp: new Date(clock.now()) };
    const line = `${ownRoomOf(identity)} ${toId(draft.conversationId)}`;
    const { wire, isNew } = await turns.join([line], async (turn) => {
      await ensureWithinLimit(principal);
      const { caller, conversation, audience } = await access.open(principal, draft.conversationId);
      ensureOpen(conversation);
      const sender = { senderId: caller.id, senderType: caller.kind, senderName: caller.name };
      const { message, isNew } = await store.add(toMessage(draft, { ...stamp, ...sender }));
      const wire = toWireMessage(message);
      await turn;
      if (isNew) announce.all(audience, { event: 'new_message', payload: wire });
      onSent?.(wire._id);
      return { wire, isNew };
    });
    if (isNew) await newest.note(stamp);
    return wire;
  };
}

type Stamp = Pick<SupportMessage, '_id' | 'conversationId' | 'timestamp' | 'senderId' | 'senderType' | 'senderName'>;

const toMessage = (
  { content, type, clientMessageId, metadata, file }: Draft,
  { timestamp, ...stamp }: Stamp,
): SupportMessage => ({
  ...stamp,
  content,
  type,
  file: file ?? null,
  metadata: metadata ?? null,
  // The unique index is of those that have one: not even `null` may stand for none.
  ...(clientMessageId === undefined ? {} : { clientMessageId }),
  timestamp,
  editedAt: null,
  isDeleted: false,
});
