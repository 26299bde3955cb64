import { Types } from 'mongoose';
import type { Amounts } from '#shared/contracts/costs.js';
import { GatewayError } from '../../errors.js';
import { readDocument, UNKNOWN_ID } from '../../models/index.js';
import { chunksOf } from '../../platform/lists.js';
import {
  type Bounds,
  type Position,
  type Range,
  rangesAfter,
  rangesBefore,
  readRanges,
  type Sort,
  sortWithin,
  withUsableId,
} from '../../platform/mongo/keyset.js';
import { ensureAccessToShow } from './consistent-access.js';
import type { ConversationDependencies } from './dependencies.js';
import type { ConversationKind, Description, StoredMessage, WireMessage } from './kind.js';
import { positionOf, takeFitting } from './pages.js';
import { amountsOfShown, charactersOfMessage, prepareToShow } from './to-wire.js';
import type { Viewer } from './viewer.js';

const ORDER = ['createdAt', '_id'] as const;
const NEWEST_FIRST = { createdAt: -1, _id: -1 } as const;
/** Totals are counted up to this, because counting costs per message. */
const TOTAL_MAX = 5000;
const OLDEST_FIRST = { createdAt: 1, _id: 1 } as const;
/** Messages of several conversations that are read at once, because each can be long. */
const READ_TOGETHER = 500;

/** Reads the messages of one conversation, newest first. */
export function createMessageLists<D extends Description, M extends WireMessage>(
  dependencies: ConversationDependencies<D, M>,
) {
  const { models, kind, pages, work } = dependencies;

  /** Long messages are paid for when they were read: nothing tells before how long they are. */
  const payForText = async (viewer: Viewer, messages: StoredMessage[]): Promise<StoredMessage[]> => {
    const text = messages.reduce((sum, message) => sum + charactersOfMessage(message), 0);
    await work.pay(viewer.principal, { text });
    return messages;
  };

  const readNewest = async (viewer: Viewer, conversation: string, { range, ...bounds }: Bounds & { range: Range }) =>
    payForText(viewer, await readMessages(kind, conversation, { range, sort: NEWEST_FIRST, ...bounds }));

  const countMessages = async (viewer: Viewer, id: string): Promise<number> => {
    const total = await kind.messages.countDocuments({ conversation_id: id }).limit(TOTAL_MAX).exec();
    await work.pay(viewer.principal, { examined: total });
    return total;
  };

  /** The cursor for `before`. @throws GatewayError `NOT_FOUND` for an unknown message */
  const startOf = async (conversation: string, before: string): Promise<Position> => {
    // Before all messages of that time: no id is smaller.
    if (!Types.ObjectId.isValid(before)) return [new Date(before), UNKNOWN_ID];
    return positionOf(ORDER, await findMessage(kind, conversation, before));
  };

  const show = async (messages: readonly StoredMessage[], conversationId: string, viewer: Viewer) => {
    const toWire = await kind.describeMessages(messages);
    return messages.map((message) => toWire(message, { conversationId, viewerId: viewer.id }));
  };

  /** @param limit messages that are shown with it */
  const withConversation = async (viewer: Viewer, id: string, limit: number) => {
    const { conversation, member } = await ensureAccessToShow(models, kind, { viewer, id });
    const { rows = 0, text = 0 } = amountsOfShown([conversation]);
    await work.pay(viewer.principal, { rows: limit + rows, text });
    return (await prepareToShow(models, kind, [conversation]))(conversation, member);
  };

  return {
    /** One page of messages with its conversation. */
    async list(
      viewer: Viewer,
      query: { conversation_id: string; page: number; limit: number; before?: string | undefined },
    ) {
      const { conversation_id: id, page, limit, before } = query;
      const conversation = await withConversation(viewer, id, limit);
      const list = {
        key: `messages ${viewer.socketId} ${id} ${limit} ${before ?? ''}`,
        order: ORDER,
        start: before === undefined ? undefined : await startOf(id, before),
        read: (range: Range, bounds: Bounds) => readNewest(viewer, id, { range, ...bounds }),
        pay: (amounts: Amounts) => work.pay(viewer.principal, amounts),
        sizeOf: charactersOfMessage,
      };
      const [{ items, hasNext }, total] = await Promise.all([
        pages.read<StoredMessage>(list, { page, limit }),
        countMessages(viewer, id),
      ]);
      return {
        conversation,
        messageList: await show(items, id, viewer),
        paging: { page, limit, total, has_next: hasNext },
      };
    },

    /** Messages around a given one, half of the limit on either side. */
    async around(viewer: Viewer, query: { conversation_id: string; message_id: string; limit: number }) {
      const { conversation_id: id, message_id, limit } = query;
      const conversation = await withConversation(viewer, id, limit);
      const middle = await findMessage(kind, id, message_id);
      const newerMax = Math.floor((limit - 1) / 2);
      const olderMax = limit - 1 - newerMax;
      const [newer, older, total] = await Promise.all([
        readNewer(kind, middle, { id, limit: newerMax }).then((messages) => payForText(viewer, messages)),
        readRanges(rangesAfter(ORDER, positionOf(ORDER, middle)), olderMax + 1, (range, bounds) =>
          readNewest(viewer, id, { range, ...bounds }),
        ),
        countMessages(viewer, id),
      ]);
      const shown = toWindow(middle, newer, older.slice(0, olderMax));
      return {
        conversation,
        messageList: await show(shown.items, id, viewer),
        paging: { page: 1, limit, total, has_next: older.length > shown.olderCount },
      };
    },

    /**
     * The newest messages of several conversations, as many as one answer holds. What follows is not read. The caller checks
     * access.
     */
    async newestOf(viewer: Viewer, ids: readonly string[], limit: number): Promise<Record<string, M[]>> {
      const paid = ids.length * limit;
      await work.pay(viewer.principal, { rows: paid });
      const lists: StoredMessage[][] = [];
      for (const some of chunksOf(ids, Math.ceil(READ_TOGETHER / limit))) {
        lists.push(...(await Promise.all(some.map((id) => readNewest(viewer, id, { range: {}, limit, skip: 0 })))));
        if (!isAllFitting(lists.flat())) break;
      }
      const messages = lists.flat();
      await work.settle(viewer.principal, { paid: { rows: paid }, done: { rows: messages.length } });
      const fitting = new Set(takeFitting(messages, charactersOfMessage));
      const toWire = await kind.describeMessages([...fitting]);
      return Object.fromEntries(
        ids.map((conversationId, index) => [
          conversationId,
          (lists[index] ?? [])
            .filter((message) => fitting.has(message))
            .map((message) => toWire(message, { conversationId, viewerId: viewer.id })),
        ]),
      );
    },
  };
}

const isAllFitting = (messages: readonly StoredMessage[]): boolean =>
  takeFitting(messages, charactersOfMessage).length === messages.length;

/** A message and its neighbours, newest first. The furthest are left out when the answer would be too large. */
function toWindow(middle: StoredMessage, newer: readonly StoredMessage[], older: readonly StoredMessage[]) {
  const outwards = [middle];
  for (let distance = 0; distance < Math.max(newer.length, older.length); distance += 1) {
    for (const next of [older[distance], newer[newer.length - 1 - distance]])
      if (next !== undefined) outwards.push(next);
  }
  const fitting = new Set(takeFitting(outwards, charactersOfMessage));
  const shownOlder = older.filter((message) => fitting.has(message));
  return {
    items: [...newer.filter((message) => fitting.has(message)), middle, ...shownOlder],
    olderCount: shownOlder.length,
  };
}

/** @throws GatewayError `NOT_FOUND` for a message of another conversation */
async function findMessage(
  { messages }: Pick<ConversationKind, 'messages'>,
  conversation: string,
  id: string,
): Promise<StoredMessage> {
  const message = await messages.findOne({ _id: id, conversation_id: conversation }).lean<StoredMessage>();
  if (message === null) throw new GatewayError('NOT_FOUND');
  return message;
}

/** The messages right after a given one, newest first. */
async function readNewer(
  kind: Pick<ConversationKind, 'messages' | 'messageModel'>,
  message: StoredMessage,
  { id, limit }: { id: string; limit: number },
): Promise<StoredMessage[]> {
  const found = await readRanges(rangesBefore(ORDER, positionOf(ORDER, message)), limit, (range, bounds) =>
    readMessages(kind, id, { range, sort: OLDEST_FIRST, ...bounds }),
  );
  return found.reverse();
}

/** Reads messages through the driver: Mongoose refuses a range of another type than the schema's. */
async function readMessages(
  { messages, messageModel }: Pick<ConversationKind, 'messages' | 'messageModel'>,
  conversation: string,
  { range, sort, ...bounds }: { range: Range; sort: Sort; limit: number; skip: number },
): Promise<StoredMessage[]> {
  const own = { ...withUsableId, conversation_id: new Types.ObjectId(conversation) };
  const filter = { $and: [own, range] };
  const found = await messages.collection.find(filter, { ...bounds, sort: sortWithin(range, sort) }).toArray();
  return found.map((message) => readDocument(messageModel, message)) as unknown as StoredMessage[];
}
