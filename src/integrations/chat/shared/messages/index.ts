import { Types } from 'mongoose';
import type { Context } from '../../../../framework/context.js';
import type { BatchSize } from '../../../../platform/batcher.js';
import type { OutgoingEvent } from '../../../../realtime/emitter.js';
import { createAdoption } from './adopt.js';
import type { MessageKind, OrderedMessage } from './kind.js';
import { createMessageOrder, isPositioned, type MessageOrder } from './order.js';
import { createMessagePlaces, type MessagePlaces } from './places.js';
import { createSequence, type Sequence } from './sequence.js';
import { createMessageStore, type MessageStore } from './store.js';
import { createMessageWriter } from './writer.js';

export type { OrderedMessage } from './kind.js';
export { isPositioned, type Place } from './order.js';

/** The messages of one chat: stored with a position, read and sent in the order of the positions. */
export interface MessageLog<M> extends MessageOrder<M>, MessageStore<M>, MessagePlaces<M> {
  /** Sends a stored message to its receivers on every node, after the earlier messages. */
  readonly send: Sequence['send'];
  /** Assigns positions to messages of other services. To be called before messages are read. */
  adopt(parent: Types.ObjectId): Promise<void>;
  stop(): Promise<void>;
}

interface Options<M extends OrderedMessage> {
  kind: MessageKind<M>;
  /** The bus topic of the chat. */
  topic: string;
  batch?: BatchSize | undefined;
  /** Finds the message with the same `clientMessageId` of the same sender in the same conversation. */
  findStored: (message: M) => Promise<M | null>;
  /** The events that receivers get for messages. */
  toEvents: (messages: readonly M[]) => Promise<OutgoingEvent[]>;
}

export function createMessageLog<M extends OrderedMessage>(
  { bus, emitter, clock, logger, config }: Pick<Context, 'bus' | 'emitter' | 'clock' | 'logger' | 'config'>,
  { kind, topic, batch, findStored, toEvents }: Options<M>,
): MessageLog<M> {
  const order = createMessageOrder(kind);
  const writer = createMessageWriter({ kind, clock, findStored });
  const store = createMessageStore({ writer, clock, batch, waitMs: config.sockets.turnWaitMs });
  const sequence = createSequence({
    ...{ topic, bus, emitter, clock, logger },
    async readBetween({ parent, low, high, limit }) {
      const between = { after: { position: low }, before: { position: high } };
      const id = new Types.ObjectId(parent);
      const messages = (await order.read({ parent: id, ...between, first: 'oldest', limit })).filter(isPositioned);
      const events = await toEvents(messages);
      return messages.flatMap(({ position }, index) => {
        const event = events[index];
        return event === undefined ? [] : [{ position, event }];
      });
    },
  });
  const adopt = createAdoption(kind, (parent, position) => {
    const nothing = { rooms: [], except: [], event: '' };
    sequence.send({ parent: parent.toHexString(), position, announced: position - 1, ...nothing });
  });

  return {
    ...order,
    ...store,
    ...createMessagePlaces(kind, order, adopt),
    adopt,
    send: sequence.send,
    async stop() {
      await store.flush();
      sequence.stop();
    },
  };
}
