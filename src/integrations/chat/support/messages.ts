import type { z } from 'zod';
import type { supportPayloads } from '#shared/contracts/support-parts.js';
import type { Models } from '#shared/models/index.js';
import type { SupportMessage } from '#shared/models/support-message.js';
import type { Principal } from '../../../auth/principal.js';
import { createKeyedMutex } from '../../../platform/concurrency/keyed-mutex.js';
import type { Settling } from '../../../platform/concurrency/settling.js';
import type { Clock } from '../../../platform/time/clock.js';
import type { OutgoingEvent } from '../../../realtime/emitter.js';
import type { Work } from '../../../realtime/work.js';
import { ChatError } from '../shared/index.js';
import { type Access, type ConversationAccess, ensureHeard } from './access.js';
import type { FileStore } from './file-store.js';
import type { SupportLog } from './log.js';
import { toPage } from './page.js';
import type { Publisher } from './publisher.js';
import type { Reads } from './reads.js';
import { charactersOf, toWireMessage, type WireMessage } from './to-wire.js';

type Payloads = { [Name in keyof typeof supportPayloads]: z.output<(typeof supportPayloads)[Name]> };

interface Dependencies {
  models: Models;
  access: ConversationAccess;
  publisher: Publisher;
  log: SupportLog;
  reads: Reads;
  files: FileStore;
  work: Work;
  clock: Clock;
  settling: Settling;
  /** How long a change of a message may wait for earlier ones. */
  turnWaitMs: number;
}

/** Reads messages, and changes those of the caller. */
export function createMessages(dependencies: Dependencies) {
  const { models, access, publisher, log, reads, files, work, clock, settling, turnWaitMs } = dependencies;
  const { SupportMessage: Message } = models;
  const mutex = createKeyedMutex({ clock, waitMs: turnWaitMs });

  /** Changes of one message on this node are stored and sent in the order of their arrival. */
  const change = <T>(messageId: string, task: () => Promise<T>): Promise<T> => mutex.run([messageId], task);

  /** A message of the caller. */
  const ownMessage = ({ caller, conversation }: Access, messageId: string) => ({
    _id: messageId,
    conversationId: conversation._id,
    senderId: caller.id,
    senderType: caller.kind,
  });

  /** Sends what is stored of a message later, if that is something else. @param sent `undefined`: in any case */
  const settle = <S>(opened: Access, { what, messageId, toState, toEvent, follow }: Change<S>, sent?: S): void => {
    const conversationId = opened.conversation._id;
    settling.settle(`${what} ${messageId}`, {
      sent,
      read: async () => {
        const stored = await Message.findOne({ _id: messageId, conversationId }).lean<SupportMessage>();
        return stored === null ? undefined : toState(stored);
      },
      async send(stored) {
        publisher.all(await access.audienceOf(conversationId.toHexString(), opened), toEvent(stored));
        await follow?.();
      },
    });
  };

  /** Sends a change of a message, and later what is stored if that is something else or came before the message. */
  const publish = <S>(opened: Access, changed: SupportMessage, change: Change<S>): void => {
    const state = change.toState(changed);
    if (state === undefined) return;
    publisher.all(opened.audience, change.toEvent(state));
    settle(opened, change, log.isOnItsWay(opened.conversation._id, changed) ? undefined : state);
  };

  return {
    /** A page of messages, oldest first, and the read positions of participants without a block with the caller. */
    async list(principal: Principal, { conversationId, before, after, limit }: Payloads['messages']) {
      const { conversation, blocked } = await access.open(principal, conversationId);
      await work.pay(principal, { rows: limit });
      const { _id: parent } = conversation;
      await log.backfill(parent);
      const [reading, lower, upper] = await Promise.all([
        reads.of(conversationId),
        log.cursorFor(parent, after, 'after'),
        log.cursorFor(parent, before, 'before'),
      ]);
      const isForward = lower !== undefined;
      const first = isForward ? 'oldest' : 'newest';
      const found = await log.read({ parent, after: lower, before: upper, first, limit: limit + 1 });
      const shown = found.map(toWireMessage);
      const text = shown.reduce((sum, message) => sum + charactersOf(message), 0);
      await work.pay(principal, { examined: reading.length, text });
      const { items, hasMore } = toPage(shown, limit);
      const shownReads = reading.filter(({ readBy }) => !blocked.has(readBy));
      return { messages: isForward ? items : items.reverse(), hasMore, reads: shownReads };
    },

    /** Changes the text of a message. @throws ChatError `NOT_FOUND` for a message of another sender */
    edit: (principal: Principal, { conversationId, messageId, content }: Payloads['edit']): Promise<WireMessage> =>
      change(messageId, async () => {
        const opened = await access.open(principal, conversationId);
        ensureHeard(opened);
        await work.pay(principal, { receivers: opened.audience.rooms.length });
        const editing: Change<WireMessage> = {
          what: 'edit',
          messageId,
          toState: (message) => (message.editedAt == null ? undefined : toWireMessage(message)),
          toEvent: (payload) => ({ event: 'message_edited', payload }),
        };
        const editedAt = new Date(clock.now());
        const store = () =>
          Message.findOneAndUpdate(
            { ...ownMessage(opened, messageId), isDeleted: { $ne: true } },
            { $set: { content, editedAt } },
            { returnDocument: 'after' },
          ).lean<SupportMessage>();
        const edited = await settling.change(store, () => settle(opened, editing));
        if (edited === null) throw notFound();
        publish(opened, edited, editing);
        return toWireMessage(edited);
      }),

    /** Deletes the content of a message; the message stays as deleted. Idempotent. @throws ChatError `NOT_FOUND` as `edit` */
    remove: (principal: Principal, { conversationId, messageId }: Payloads['remove']): Promise<void> =>
      change(messageId, async () => {
        const opened = await access.open(principal, conversationId);
        await work.pay(principal, { receivers: opened.audience.rooms.length });
        const own = ownMessage(opened, messageId);
        const found = await Message.findOne(own, { file: 1, timestamp: 1 }).lean<SupportMessage>();
        if (found === null) throw notFound();
        const fileId = found.file?.fileId;
        if (fileId != null) await files.release(fileId, found);
        const payload = {
          conversationId,
          messageId,
          deletedBy: opened.caller.id,
        };
        const deletion: Change<true> = {
          what: 'deletion',
          messageId,
          toState: ({ isDeleted }) => isDeleted || undefined,
          toEvent: () => ({ event: 'message_deleted', payload }),
          follow: async () => fileId && files.discard(fileId),
        };
        const store = () =>
          Message.findOneAndUpdate(
            { ...own, isDeleted: { $ne: true } },
            { $set: { isDeleted: true, content: '', metadata: null, file: null } },
            { returnDocument: 'before' },
          ).lean<SupportMessage>();
        const before = await settling.change(store, () => settle(opened, deletion));
        // It is deleted already.
        if (before === null) return;
        publish(opened, { ...before, isDeleted: true }, deletion);
        await deletion.follow?.();
      }),
  };
}

/** What of a message has changed, and the event that shows it. */
interface Change<S> {
  readonly what: 'edit' | 'deletion';
  readonly messageId: string;
  /** `undefined`: there is nothing to send. */
  readonly toState: (message: SupportMessage) => S | undefined;
  readonly toEvent: (state: S) => OutgoingEvent;
  /** What else the change brings about. It can be repeated. */
  readonly follow?: () => Promise<unknown>;
}

const notFound = () => new ChatError('NOT_FOUND', 'Message not found or access denied');
