import { equalText } from '#shared/models/stored-text.js';
import { GatewayError } from '../../errors.js';
import { isDuplicateKey } from '../../platform/mongo/duplicate-key.js';
import { acknowledgedReadConcern } from '../../platform/mongo/options.js';
import type { WriteTogether } from '../../platform/mongo/write-together.js';
import type { BlockedUser } from '../users/index.js';
import { ensureAccess } from './access.js';
import type { ConversationDependencies } from './dependencies.js';
import type { Description, StoredMessage, WireMessage } from './kind.js';
import type { Notify } from './notify.js';
import { toPerson, toUnknownPerson } from './people.js';
import { createStore, type Draft } from './store.js';
import type { Viewer } from './viewer.js';

interface Dependencies<D extends Description, M extends WireMessage> extends ConversationDependencies<D, M> {
  notify: Notify;
  write: WriteTogether;
}

/**
 * Sends a message: stores it, counts it, sends it, in this order. A repeated UUID of the same sender violates the unique index:
 * the transaction is rolled back and the stored message is the answer, even when a new message would be refused.
 */
export function createSend<D extends Description, M extends WireMessage>(dependencies: Dependencies<D, M>) {
  const { models, kind, blocks, publish, notify } = dependencies;
  const store = createStore(dependencies);

  /** The message that the same call stored before. */
  const findStored = ({ userId }: Viewer, { conversationId, message }: Draft) =>
    kind.messages
      .findOne({
        ...kind.fieldsOfSent,
        conversation_id: conversationId,
        sent_by: userId,
        UUID: equalText(message.UUID),
      })
      .readConcern(acknowledgedReadConcern)
      .lean<StoredMessage>();

  /** The stored message of a refused retry: checks apply to new messages. @throws the refusal of a new message */
  const findRetried = async (viewer: Viewer, draft: Draft, refusal: unknown): Promise<StoredMessage> => {
    const isRepeated = isDuplicateKey(refusal, 'UUID');
    if (!isRepeated && !(refusal instanceof GatewayError)) throw refusal;
    if (!isRepeated) await ensureAccess(models, kind, { viewer, id: draft.conversationId });
    const before = await findStored(viewer, draft);
    if (before === null) throw isRepeated ? new GatewayError('CONFLICT') : refusal;
    return before;
  };

  return async function sendConversationMessage(viewer: Viewer, draft: Draft): Promise<M> {
    const view = { conversationId: draft.conversationId, viewerId: viewer.id };
    let reading: Promise<BlockedUser | undefined> | undefined;
    const read = (): Promise<BlockedUser | undefined> => {
      reading ??= blocks.withUser(viewer.id);
      return reading;
    };
    const stored = await store(viewer, draft, read).catch(async (refusal: unknown) => ({
      retried: await findRetried(viewer, draft, refusal),
      sender: await read(),
    }));
    const { sender } = stored;
    const toWire = await kind.describeMessages(
      [draft.message],
      [sender === undefined ? toUnknownPerson(viewer.id) : toPerson(sender.user)],
    );
    if ('retried' in stored) return toWire(stored.retried, view);
    const { conversation, members, message } = stored;
    const blocked = blockedOf(sender);
    const own = toWire(message, view);
    const others = members.map(({ user }) => user.toHexString()).filter((id) => id !== viewer.id && !blocked.has(id));
    const { message: event } = kind.events;
    publish([viewer.id], { event, payload: own }, viewer.socketId);
    if (others.length > 0) {
      publish(others, { event, payload: toWire(message, { ...view, viewerId: '' }) });
      notify(others, { title: conversation.title, message: own, conversationId: draft.conversationId });
    }
    return own;
  };
}

const NO_USERS: ReadonlySet<string> = new Set();

const blockedOf = (sender: BlockedUser | undefined): ReadonlySet<string> => sender?.blocked ?? NO_USERS;
