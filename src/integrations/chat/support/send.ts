import { Types } from 'mongoose';
import { amountsOfMessage } from '#shared/contracts/costs.js';
import type { SupportFile, SupportMessage } from '#shared/models/support-message.js';
import type { Principal } from '../../../auth/principal.js';
import type { Clock } from '../../../platform/clock.js';
import { createKeyedMutex } from '../../../platform/keyed-mutex.js';
import type { Work } from '../../../realtime/work.js';
import { isPositioned } from '../shared/index.js';
import { type Access, type ConversationAccess, ensureHeard, ensureOpen, toId } from './access.js';
import type { LastMessages } from './last-messages.js';
import { type createFindSaid, type SupportLog, toEvent } from './log.js';
import type { Meter } from './meter.js';
import { ownRoomOf, toIdentity } from './people.js';
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
 * Sends a message.
 * @param onSent called with the id when the message is stored and sent, also for a retry
 * @throws ChatError before the message is stored; never after that
 */
export type Send = (principal: Principal, draft: Draft, onSent?: (id: string) => void) => Promise<WireMessage>;

interface Dependencies {
  access: ConversationAccess;
  log: SupportLog;
  findStored: ReturnType<typeof createFindSaid>;
  lastMessages: LastMessages;
  /** Of messages. */
  meter: Meter;
  work: Work;
  clock: Clock;
  /** How long a message may wait for its sender's earlier messages. */
  turnWaitMs: number;
}

/**
 * Stores the message, sends it, then stores it as the conversation's last message. One person's messages in a conversation
 * are stored in the order of their arrival, though several are checked concurrently.
 *
 * A retry is answered with the stored message; limits and the state of the conversation apply to new messages. The stored
 * message is looked for only after a check failed or the unique index refused the new one, so it costs new messages nothing.
 */
export function createSend({
  access,
  log,
  findStored,
  lastMessages,
  meter,
  work,
  clock,
  turnWaitMs,
}: Dependencies): Send {
  const mutex = createKeyedMutex({ clock, waitMs: turnWaitMs });

  /** @returns the stored message for a retry. @throws ChatError if the message is refused */
  const check = async (principal: Principal, draft: Draft): Promise<{ opened: Access; stored?: SupportMessage }> => {
    const identity = toIdentity(principal);
    const open = () => access.open(principal, draft.conversationId);
    const find = (opened: Access) => findStored({ ...senderOf(opened), ...keyOf(draft) });
    try {
      await meter.consume(identity);
    } catch (limited) {
      if (draft.clientMessageId === undefined) throw limited;
      const opened = await open();
      const stored = await find(opened);
      if (stored === null) throw limited;
      return { opened, stored };
    }
    const opened = await open();
    try {
      ensureOpen(opened.conversation);
      ensureHeard(opened);
      await work.pay(principal, amountsOfMessage(opened.audience.rooms.length));
      return { opened };
    } catch (refusal) {
      const stored = await find(opened);
      if (stored === null) throw refusal;
      await meter.refund(identity);
      return { opened, stored };
    }
  };

  const store = async (principal: Principal, draft: Draft, access: Access) => {
    const { caller, conversation } = access;
    const identity = toIdentity(principal);
    const newest = { position: conversation.lastPosition ?? 0, at: conversation.lastMessageAt };
    const stamp = { _id: new Types.ObjectId(), timestamp: new Date(clock.now()), senderName: caller.name };
    const message = toMessage(draft, { ...stamp, ...senderOf({ caller, conversation }) });
    const parent = conversation._id.toHexString();
    const stored = await log.add({ message, parent, newest, sender: ownRoomOf(identity) });
    if (!stored.isNew) {
      await meter.refund(identity);
      await work.settle(principal, { paid: amountsOfMessage(access.audience.rooms.length), done: {} });
    }
    return stored;
  };

  return async function sendSupportMessage(principal, draft, onSent) {
    const identity = toIdentity(principal);
    const line = `${ownRoomOf(identity)} ${toId(draft.conversationId)}`;
    // In an object, so that the mutex covers only the checks; the log orders the writes.
    const { opened, storing } = await mutex.join([line], async (turn) => {
      const { opened, stored } = await check(principal, draft);
      if (stored !== undefined) return { opened, storing: Promise.resolve({ message: stored, isNew: false }) };
      await turn;
      return { opened, storing: store(principal, draft, opened) };
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

// The unique index covers messages that have the field, so it must be absent, not `null`.
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
