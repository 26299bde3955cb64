import { Types } from 'mongoose';
import type { SupportFile, SupportMessage } from '#shared/models/support-message.js';
import type { Principal } from '../../../auth/principal.js';
import type { Clock } from '../../../platform/clock.js';
import { createKeyedMutex } from '../../../platform/keyed-mutex.js';
import { isPositioned } from '../shared/index.js';
import { type Access, type ConversationAccess, ensureHeard, ensureOpen, toId } from './access.js';
import type { LastMessages } from './last-messages.js';
import { type createFindSaid, type SupportLog, toEvent } from './log.js';
import type { Meter } from './meter.js';
import { type Identity, ownRoomOf, toIdentity } from './people.js';
import { toWireMessage, type WireMessage } from './to-wire.js';

/** A message to send. */
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
  log: SupportLog;
  findSaid: ReturnType<typeof createFindSaid>;
  lastMessages: LastMessages;
  /** Of messages. */
  meter: Meter;
  clock: Clock;
  /** How long what one person says may wait for what they said before. */
  turnWaitMs: number;
}

/**
 * Stores, then sends, then notes the conversation's last message. What one person says in one conversation is stored in the
 * order in which it came, though several messages are checked at the same time.
 *
 * A retry of what is stored is answered with what is stored: limits and the state of the conversation are for new messages.
 * It is looked for only when a check has failed or the unique index has refused it, so it costs a new message nothing.
 */
export function createSend({ access, log, findSaid, lastMessages, meter, clock, turnWaitMs }: Dependencies): Send {
  const mutex = createKeyedMutex({ clock, waitMs: turnWaitMs });

  /** @returns the message when this is a retry. @throws ChatError when it may not be said */
  const check = async (principal: Principal, draft: Draft): Promise<{ opened: Access; said?: SupportMessage }> => {
    const identity = toIdentity(principal);
    const open = () => access.open(principal, draft.conversationId);
    const find = (opened: Access) => findSaid({ ...senderOf(opened), ...keyOf(draft) });
    try {
      await meter.consume(identity);
    } catch (limited) {
      if (draft.clientMessageId === undefined) throw limited;
      const opened = await open();
      const said = await find(opened);
      if (said === null) throw limited;
      return { opened, said };
    }
    const opened = await open();
    try {
      ensureOpen(opened.conversation);
      ensureHeard(opened);
      return { opened };
    } catch (refusal) {
      const said = await find(opened);
      if (said === null) throw refusal;
      await meter.refund(identity);
      return { opened, said };
    }
  };

  const store = async (identity: Identity, draft: Draft, { caller, conversation }: Access) => {
    const newest = { position: conversation.lastPosition ?? 0, at: conversation.lastMessageAt };
    const stamp = { _id: new Types.ObjectId(), timestamp: new Date(clock.now()), senderName: caller.name };
    const message = toMessage(draft, { ...stamp, ...senderOf({ caller, conversation }) });
    const parent = conversation._id.toHexString();
    const stored = await log.add({ message, parent, newest, sender: ownRoomOf(identity) });
    if (!stored.isNew) await meter.refund(identity);
    return stored;
  };

  return async (principal, draft, onSent) => {
    const identity = toIdentity(principal);
    const line = `${ownRoomOf(identity)} ${toId(draft.conversationId)}`;
    // In an object, so that the mutex covers the checks only: the log orders the storing.
    const { opened, storing } = await mutex.join([line], async (turn) => {
      const { opened, said } = await check(principal, draft);
      if (said !== undefined) return { opened, storing: Promise.resolve({ message: said, isNew: false }) };
      await turn;
      return { opened, storing: store(identity, draft, opened) };
    });
    const { message, isNew } = await storing;
    const wire = toWireMessage(message);
    if (isNew && isPositioned(message)) {
      const { audience, conversation } = opened;
      const announced = conversation.lastPosition ?? 0;
      log.send({
        parent: wire.conversationId,
        position: message.position,
        announced,
        ...audience,
        ...toEvent(message),
      });
    }
    onSent?.(wire._id);
    if (isNew && isPositioned(message)) await lastMessages.note(message);
    return wire;
  };
}

const senderOf = ({ caller, conversation }: Pick<Access, 'caller' | 'conversation'>) => ({
  conversationId: conversation._id,
  senderId: caller.id,
  senderType: caller.kind,
});

// The unique index is of those that have one: not even `null` may stand for none.
const keyOf = ({ clientMessageId }: Draft) => (clientMessageId === undefined ? {} : { clientMessageId });

type Stamp = Pick<SupportMessage, '_id' | 'conversationId' | 'timestamp' | 'senderId' | 'senderType' | 'senderName'>;

const toMessage = (draft: Draft, { timestamp, ...stamp }: Stamp): SupportMessage => ({
  ...stamp,
  content: draft.content,
  type: draft.type,
  file: draft.file ?? null,
  metadata: draft.metadata ?? null,
  ...keyOf(draft),
  timestamp,
  editedAt: null,
  isDeleted: false,
});
