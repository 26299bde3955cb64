import type { Types } from 'mongoose';
import type { z } from 'zod';
import type { supportRead } from '#shared/contracts/support-parts.js';
import type { Models } from '#shared/models/index.js';
import type { SupportRead } from '#shared/models/support-message.js';
import type { Principal } from '../../../auth/principal.js';
import { toIdText } from '../../../models/index.js';
import type { Settling } from '../../../platform/concurrency/settling.js';
import { isDuplicateKey } from '../../../platform/mongo/duplicate-key.js';
import type { Clock } from '../../../platform/time/clock.js';
import type { Work } from '../../../realtime/work.js';
import { type Cursor, isPositioned } from '../shared/index.js';
import type { ConversationAccess } from './access.js';
import { type Audience, EMPTY_AUDIENCE } from './audience.js';
import type { SupportLog } from './log.js';
import { type Identity, ownRoomOf } from './people.js';
import type { Publisher } from './publisher.js';

/** The read positions of participants. */
export type Reads = ReturnType<typeof createReads>;

interface Dependencies {
  models: Models;
  access: ConversationAccess;
  publisher: Publisher;
  log: SupportLog;
  work: Work;
  clock: Clock;
  settling: Settling;
}

type WireRead = z.output<typeof supportRead>;

type Reader = Pick<SupportRead, 'conversationId' | 'readerId' | 'readerType'>;
type Progress = Pick<SupportRead, 'messageId' | 'position' | 'messageAt' | 'readAt'>;

/** Positions move forward only, in whatever order the nodes are called. */
export function createReads({ models, access, publisher, log, work, clock, settling }: Dependencies) {
  const { SupportRead: Read } = models;

  /** @returns whether the position moved */
  const move = async (reader: Reader, read: Progress, cursor: Cursor): Promise<boolean> => {
    const behind = { ...reader, ...isFurther(cursor, read.messageId) };
    try {
      await Read.updateOne(behind, { $set: read }, { upsert: true });
      return true;
    } catch (error) {
      if (!isDuplicateKey(error, 'readerId')) throw error;
      // The document exists: it is further already, or another tab has just created it.
      return (await Read.updateOne(behind, { $set: read })).modifiedCount > 0;
    }
  };

  const sendTo = (audience: Audience, reader: Identity, payload: WireRead): void => {
    publisher.others(audience, reader, { event: 'message_read', payload });
    publisher.own(reader, { event: 'conversation_read', payload });
  };

  return {
    /** The read positions of a conversation. */
    async of(conversationId: string): Promise<WireRead[]> {
      return (await Read.find({ conversationId }).lean()).map(toWire);
    },

    /** Sends read positions once more. */
    async sendAgain(ids: readonly Types.ObjectId[]): Promise<void> {
      for (const stored of await Read.find({ _id: { $in: [...ids] } }).lean<SupportRead[]>()) {
        const reader: Identity = { kind: stored.readerType, id: stored.readerId };
        const said = { senderId: reader.id, senderType: reader.kind };
        const [audience = EMPTY_AUDIENCE] = await access.audiencesOf(toIdText(stored.conversationId), [said]);
        sendTo(audience, reader, toWire(stored));
      }
    },

    /** Moves the read position to a message. Only a move forward is stored and sent. */
    async mark(principal: Principal, data: { conversationId: string; messageId: string }): Promise<void> {
      const opened = await access.open(principal, data.conversationId);
      const { caller, conversation } = opened;
      await work.pay(principal, { receivers: opened.audience.rooms.length });
      const message = await log.find(conversation._id, data.messageId);
      const reader = { conversationId: conversation._id, readerId: caller.id, readerType: caller.kind };
      const read = {
        messageId: message._id,
        ...(isPositioned(message) ? { position: message.position } : {}),
        messageAt: toReadTime(message.timestamp),
        readAt: new Date(clock.now()),
      };
      const conversationId = conversation._id.toHexString();
      const send = (audience: Audience, payload: WireRead): void => sendTo(audience, caller, payload);
      const settle = (sent?: WireRead): void =>
        settling.settle(`read ${conversationId} ${ownRoomOf(caller)}`, {
          sent,
          read: async () => {
            const stored = await Read.findOne(reader).lean();
            return stored === null ? undefined : toWire(stored);
          },
          send: async (stored) => send(await access.audienceOf(conversationId, opened), stored),
        });
      const isMoved = await settling.change(
        () => move(reader, read, log.cursorOf(message)),
        () => settle(),
      );
      if (!isMoved) return;
      const sent = toWire({ ...reader, ...read });
      send(opened.audience, sent);
      settle(sent);
    },
  };
}

const toWire = ({ conversationId, messageId, messageAt, readerId, readAt }: Reader & Progress): WireRead => ({
  conversationId: toIdText(conversationId),
  messageId: toIdText(messageId),
  readBy: readerId,
  readAt: (readAt ?? messageAt ?? messageId.getTimestamp()).toISOString(),
});

/** A condition that the stored position is before a cursor. @param messageId the message at the cursor */
const isFurther = ({ position, timed }: Cursor, messageId: Types.ObjectId): object => {
  if (timed === undefined) return { position: { $not: { $gte: position } } };
  const messageAt = toReadTime(timed.value);
  return { position: null, messageAt: { $lte: messageAt }, $nor: [{ messageAt, messageId: { $gte: messageId } }] };
};

/** The time of a message in a read position. Messages without one come first. */
const toReadTime = (time: unknown): Date => (time instanceof Date ? time : new Date(0));
