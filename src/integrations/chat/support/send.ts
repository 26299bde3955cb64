import { Types } from 'mongoose';
import { amountsOfMessage } from '#shared/contracts/costs.js';
import type { SupportFile, SupportMessage } from '#shared/models/support-message.js';
import type { Principal } from '../../../auth/principal.js';
import type { Clock } from '../../../platform/clock.js';
import { createKeyedMutex } from '../../../platform/keyed-mutex.js';
import type { Write } from '../../../platform/mongo/write-together.js';
import type { Work } from '../../../realtime/work.js';
import { isPositioned, type Stored, type Together } from '../shared/index.js';
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

/** A stored message, and who gets it. */
interface Sent extends Stored<SupportMessage> {
  readonly opened: Access;
  /** Every message up to this position was sent before it was stored. */
  readonly announced: number;
}

/** A draft that passed the checks, the message that an earlier call stored, or a draft that is checked when it is stored. */
interface Checked {
  readonly opened: Access;
  readonly stored?: SupportMessage;
  /** Absent: it was checked by reading. */
  readonly conditions?: readonly Write[];
}

/**
 * Stores the message, sends it, then stores it as the conversation's last message. One person's messages in a conversation
 * are stored in the order of their arrival, though several are checked concurrently. A message in a conversation that is
 * remembered is checked, stored and made the last message by one command.
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

  /** What is remembered, if that is enough to store a message. */
  const findKnown = (principal: Principal, { conversationId, file }: Draft): Checked | undefined => {
    if (file !== undefined || log.sentUpTo(toId(conversationId)) === undefined) return undefined;
    const known = access.known(principal, conversationId);
    return known && { opened: known, conditions: known.conditions };
  };

  /** @throws ChatError if the message is refused */
  const check = async (principal: Principal, draft: Draft): Promise<Checked> => {
    const identity = toIdentity(principal);
    const find = (opened: Access) => findStored({ ...senderOf(opened), ...keyOf(draft) });
    try {
      await meter.consume(identity);
    } catch (limited) {
      if (draft.clientMessageId === undefined) throw limited;
      const opened = await access.open(principal, draft.conversationId);
      const stored = await find(opened);
      if (stored === null) throw limited;
      return { opened, stored };
    }
    const checked = findKnown(principal, draft) ?? (await checkByReading(principal, draft));
    if (checked.stored !== undefined) await meter.refund(identity);
    return checked;
  };

  const checkByReading = async (principal: Principal, draft: Draft): Promise<Checked> => {
    const opened = await access.open(principal, draft.conversationId);
    try {
      ensureOpen(opened.conversation);
      ensureHeard(opened);
      await work.pay(principal, amountsOfMessage(opened.audience.rooms.length));
      return { opened };
    } catch (refusal) {
      const stored = await findStored({ ...senderOf(opened), ...keyOf(draft) });
      if (stored === null) throw refusal;
      return { opened, stored };
    }
  };

  const store = async (principal: Principal, draft: Draft, checked: Checked): Promise<Sent> => {
    let { opened } = checked;
    const identity = toIdentity(principal);
    const { conversation } = opened;
    const parent = conversation._id.toHexString();
    const position = Math.max(conversation.lastPosition ?? 0, conversation.storedPosition ?? 0);
    const newest = { position, at: conversation.lastMessageAt };
    const announced = Math.max(conversation.lastPosition ?? 0, log.sentUpTo(parent) ?? 0);
    const stamp = { _id: new Types.ObjectId(), timestamp: new Date(clock.now()) };
    const toStored = (access: Access) =>
      toMessage(draft, { ...stamp, senderName: access.caller.name, ...senderOf(access) });
    const together: Together<SupportMessage> | undefined = checked.conditions && {
      conditions: checked.conditions,
      async check() {
        access.noteChange(principal, draft.conversationId);
        const again = await checkByReading(principal, draft);
        opened = again.opened;
        return again.stored === undefined ? { message: toStored(opened) } : { message: again.stored, isNew: false };
      },
      toLast: (message) => lastMessages.toWrite(message as SupportMessage & { position: number }, announced),
    };
    const stored = await log.add({ message: toStored(opened), parent, newest, sender: ownRoomOf(identity), together });
    if (!stored.isNew) {
      await meter.refund(identity);
      await work.settle(principal, { paid: amountsOfMessage(opened.audience.rooms.length), done: {} });
    }
    return { ...stored, opened, announced };
  };

  return async function sendSupportMessage(principal, draft, onSent) {
    const identity = toIdentity(principal);
    const line = `${ownRoomOf(identity)} ${toId(draft.conversationId)}`;
    // In an object, so that the mutex covers only the checks; the log orders the writes.
    const { storing } = await mutex.join([line], async (turn) => {
      const checked = await check(principal, draft);
      const { opened, stored } = checked;
      if (stored !== undefined) {
        const sent: Sent = { message: stored, isNew: false, opened, announced: 0 };
        return { storing: Promise.resolve(sent) };
      }
      await turn;
      return { storing: store(principal, draft, checked) };
    });
    const { message, isNew, isLast, opened, announced } = await storing;
    const wire = toWireMessage(message);
    const isSent = isNew && isPositioned(message);
    if (isSent) {
      const { position } = message;
      log.send({ parent: wire.conversationId, position, announced, ...opened.audience, ...toEvent(message) });
    }
    onSent?.(wire._id);
    if (isSent && isLast === true) log.noteSent(message.conversationId, message.position);
    else if (isSent) await lastMessages.note(message);
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
