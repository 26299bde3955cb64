import { amountsOfMessage } from '#shared/contracts/costs.js';
import type { SupportFile, SupportMessage } from '#shared/models/support-message.js';
import type { Principal } from '../../../auth/principal.js';
import type { Settling } from '../../../platform/concurrency/settling.js';
import type { Clock } from '../../../platform/time/clock.js';
import type { Work } from '../../../realtime/work.js';
import { createStoreMessage, isPositioned, type SendingRules, type StoredMessage } from '../shared/index.js';
import { type Access, type ConversationAccess, ensureHeard, ensureOpen } from './access.js';
import type { LastMessages } from './last-messages.js';
import { type createFindSaid, type SupportLog, toEvent } from './log.js';
import type { Meter } from './meter.js';
import { ownRoomOf, toIdentity } from './people.js';
import { toWireMessage, type WireMessage } from './to-wire.js';

/** A message to send. */
interface Draft {
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
  settling: Settling;
  clock: Clock;
  /** How long a message may wait for its sender's earlier messages. */
  turnWaitMs: number;
}

/** Stores the message, sends it, and makes it the last message of its conversation, in this order. */
export function createSend(dependencies: Dependencies): Send {
  const { log, lastMessages } = dependencies;
  const store = createStoreMessage(createRules(dependencies), dependencies);

  const tell = async (stored: StoredMessage<SupportMessage, Access>, onSent?: (id: string) => void) => {
    const { message, isToSend, isLast, opened, announced } = stored;
    const wire = toWireMessage(message);
    const isSent = isToSend && isPositioned(message);
    if (isSent) {
      const { position } = message;
      const at = message.timestamp.getTime();
      log.send({ parent: wire.conversationId, position, announced, at, ...opened.audience, ...toEvent(message) });
    }
    onSent?.(wire._id);
    if (isSent && isLast === true) lastMessages.noteSent(message);
    else if (isSent) await lastMessages.note(message);
    return wire;
  };

  return async function sendSupportMessage(principal, draft, onSent) {
    return tell(await store(principal, draft, (late) => tell(late)), onSent);
  };
}

const createRules = ({
  access,
  findStored,
  lastMessages,
  meter,
  work,
}: Dependencies): SendingRules<SupportMessage, Draft, Access> => ({
  parentOf: ({ conversationId }) => conversationId,
  senderOf: (principal) => ownRoomOf(toIdentity(principal)),
  count: (principal) => meter.consume(toIdentity(principal)),
  uncount: (principal) => meter.refund(toIdentity(principal)),
  open: (principal, { conversationId }) => access.open(principal, conversationId),
  remembered: (principal, { conversationId, file }) =>
    file === undefined ? access.remembered(principal, conversationId) : undefined,
  noteChange: (principal, { conversationId }) => access.noteChange(principal, conversationId),
  async ensureAllowed(principal, { opened }) {
    ensureOpen(opened.conversation);
    ensureHeard(opened);
    await work.pay(principal, amountsOfMessage(opened.audience.rooms.length));
    return opened;
  },
  payBack: (principal, { audience }) =>
    work.settle(principal, { paid: amountsOfMessage(audience.rooms.length), done: {} }),
  findStored: (opened, draft) => findStored({ ...senderOf(opened), ...keyOf(draft) }),
  conversationOf: ({ conversation }) => conversation,
  toMessage: (opened, { draft, stamp: { _id, at } }) => ({
    _id,
    ...senderOf(opened),
    senderName: opened.caller.name,
    content: draft.content,
    type: draft.type,
    file: draft.file ?? null,
    metadata: draft.metadata ?? null,
    ...keyOf(draft),
    timestamp: at,
    editedAt: null,
    isDeleted: false,
  }),
  toLast: lastMessages.toWrite,
});

const senderOf = ({ caller, conversation }: Pick<Access, 'caller' | 'conversation'>) => ({
  conversationId: conversation._id,
  senderId: caller.id,
  senderType: caller.kind,
});

// The unique index covers messages that have the field, so it must be absent, not `null`.
const keyOf = ({ clientMessageId }: Draft) => (clientMessageId === undefined ? {} : { clientMessageId });
