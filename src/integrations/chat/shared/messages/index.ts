import { Types } from 'mongoose';
import type { Context } from '../../../../framework/context.js';
import type { BatchSize } from '../../../../platform/concurrency/batcher.js';
import { groupBy } from '../../../../platform/lists.js';
import { createWriteTogether } from '../../../../platform/mongo/write-together.js';
import { createPositionBackfill } from './backfill.js';
import { createInsert } from './insert.js';
import type { MessageKind, OrderedMessage } from './kind.js';
import { createMessageLookup, type MessageLookup } from './lookup.js';
import { type AddressedEvent, createOrderedSender, type OrderedSender } from './ordered-sender.js';
import { createPositions } from './positions.js';
import { createMessageReader, isPositioned, type MessageReader } from './reader.js';
import { createSentPositions, type SentPositions } from './sent-positions.js';
import { createStoredBefore } from './stored-before.js';
import { createWriteQueue, type WriteQueue } from './write-queue.js';

export type { OrderedMessage } from './kind.js';
export { type Cursor, isPositioned } from './reader.js';
export { createStoreMessage, type SendingRules, type StoredMessage } from './store-message.js';

/**
 * The messages of one chat: stored with a position, read and sent in the order of the positions.
 *
 * A new message takes one way, from top to bottom:
 *
 * 1. `store-message` checks what a client sent by the rules of its chat, in the order of arrival.
 * 2. `add`: `write-queue` lets it wait for the write before it in its conversation.
 * 3. `insert` stores all that waited: `positions` assigns the next positions, `write-unchecked` checks and stores messages by
 *    one command, again when another node has taken the positions. `append` stores a message whose position was taken though it was
 *    checked by reading, or again and again, and `stored-before` tells whether a message that failed is stored already.
 * 4. `send`: `ordered-sender` publishes it, and every node sends it to its sockets after the earlier messages.
 *
 * `reader` reads ranges between cursors, `lookup` turns ids of requests into messages and cursors, and `backfill` assigns
 * positions to messages that other services stored.
 */
export interface MessageLog<M> extends MessageReader<M>, WriteQueue<M>, MessageLookup<M> {
  /** Sends a stored message to its receivers on every node, after the earlier messages. */
  readonly send: OrderedSender['send'];
  readonly sentUpTo: OrderedSender['sentUpTo'];
  /** Sends stored messages that may not have been sent. Nodes drop those that they have sent. @returns those with a position */
  sendAgain(ids: readonly Types.ObjectId[]): Promise<(M & { readonly position: number })[]>;
  /** Whether a message waits for earlier ones: what is sent about it can reach clients before it. */
  isOnItsWay(parent: Types.ObjectId, message: M): boolean;
  /** To be called when a message was sent that was not made the last one after that. */
  readonly noteSent: SentPositions['note'];
  /** A message that was to be stored, if it is: its reply can have been lost. */
  findOwn(message: M): Promise<M | undefined>;
  /** Assigns positions to messages of other services. To be called before messages are read. */
  backfill(parent: Types.ObjectId): Promise<void>;
  stop(): Promise<void>;
}

interface Options<M extends OrderedMessage> {
  kind: MessageKind<M>;
  /** The bus topic of the chat. */
  topic: string;
  batch?: BatchSize | undefined;
  /** Finds the message with the same `clientMessageId` of the same sender in the same conversation. */
  findStored: (message: M) => Promise<M | null>;
  /** Messages of one conversation as events, each for those who may receive it now. */
  toEvents: (parent: Types.ObjectId, messages: readonly M[]) => Promise<AddressedEvent[]>;
}

/**
 * To be created once for each chat on a node: messages of one sender keep their order within one log. It runs until
 * `stop`.
 */
export function createMessageLog<M extends OrderedMessage>(
  {
    bus,
    emitter,
    clock,
    steadyClock,
    logger,
    config,
  }: Pick<Context, 'bus' | 'emitter' | 'clock' | 'steadyClock' | 'logger' | 'config'>,
  { kind, topic, batch, findStored, toEvents }: Options<M>,
): MessageLog<M> {
  const reader = createMessageReader(kind);
  const { inOrder: write } = createWriteTogether(kind.model.db);
  const positions = createPositions(kind, clock);
  const storedBefore = createStoredBefore(kind, findStored);
  const insert = createInsert({ kind, clock, positions, reader, storedBefore, write });
  const sentPositions = createSentPositions({ kind, clock: steadyClock, logger });
  const queue = createWriteQueue({ insert, clock, batch, waitMs: config.sockets.turnWaitMs });
  const sender = createOrderedSender({
    topic,
    bus,
    emitter,
    clock,
    logger,
    onOther({ parent, position, at }) {
      if (at !== undefined) positions.noteNewest(parent, { position, at: new Date(at) });
    },
    async readBetween({ parent, low, high, limit }) {
      const between = { after: { position: low }, before: { position: high } };
      const id = new Types.ObjectId(parent);
      const messages = (await reader.read({ parent: id, ...between, first: 'oldest', limit })).filter(isPositioned);
      const events = messages.length === 0 ? [] : await toEvents(id, messages);
      return events.flatMap((event, index) => {
        const position = messages[index]?.position;
        return position === undefined ? [] : [{ ...event, position }];
      });
    },
  });
  const backfill = createPositionBackfill(kind, (parent, position) => {
    const nothing = { rooms: [], except: [], event: '' };
    sender.send({ parent: parent.toHexString(), position, announced: position - 1, ...nothing });
  });

  return {
    ...reader,
    ...queue,
    ...createMessageLookup(kind, reader, backfill),
    backfill,
    send: sender.send,
    sentUpTo: sender.sentUpTo,
    async sendAgain(ids) {
      const found = await kind.model.find({ _id: { $in: [...ids] } }).lean<M[]>();
      const messages = found.filter(isPositioned).sort((one, other) => one.position - other.position);
      const parentOf = (message: M): Types.ObjectId => message[kind.parent as keyof M] as Types.ObjectId;
      for (const own of groupBy(messages, (message) => parentOf(message).toHexString()).values()) {
        const [first] = own;
        if (first === undefined) continue;
        const parent = parentOf(first);
        const events = await toEvents(parent, own);
        for (const [index, event] of events.entries()) {
          const position = own[index]?.position ?? 0;
          sender.send({ ...event, parent: parent.toHexString(), position, announced: first.position - 1 });
        }
      }
      return messages;
    },
    isOnItsWay: (parent, { position }) =>
      (sender.sentUpTo(parent.toHexString()) ?? Number.POSITIVE_INFINITY) < (position ?? 0),
    noteSent: sentPositions.note,
    findOwn: storedBefore.findOwn,
    async stop() {
      await queue.flush();
      sender.stop();
      await sentPositions.stop();
    },
  };
}
