import { equalText } from '#shared/models/stored-text.js';
import { GatewayError } from '../../errors.js';
import { isDuplicateKey } from '../../platform/mongo/duplicate-key.js';
import { acknowledgedReadConcern } from '../../platform/mongo/options.js';
import type { WriteTogether } from '../../platform/mongo/write-together.js';
import { type BlockedUser, NO_USERS } from '../users/index.js';
import { ensureAccess } from './access.js';
import type { ConversationDependencies } from './dependencies.js';
import type { Description, StoredMessage, WireMessage } from './kind.js';
import { toPerson, toUnknownPerson } from './people.js';
import type { Notify } from './publishing/push.js';
import { createStore, type Draft, type Stored } from './store.js';
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

  const describe = (message: StoredMessage, viewer: Viewer, sender: BlockedUser | undefined) =>
    kind.describeMessages([message], [sender === undefined ? toUnknownPerson(viewer.id) : toPerson(sender.user)]);

  /**
   * Sends a stored message to all participants.
   * @param answered the socket that gets it as the answer
   * @returns it as its sender sees it
   */
  const tell = async (
    viewer: Viewer,
    { conversationId }: Draft,
    { stored, answered }: { stored: Stored; answered?: string },
  ): Promise<M> => {
    const { conversation, members, message, sender } = stored;
    const toWire = await describe(message, viewer, sender);
    const blocked = blockedOf(sender);
    const own = toWire(message, { conversationId, viewerId: viewer.id });
    const others = members.map(({ user }) => user.toHexString()).filter((id) => id !== viewer.id && !blocked.has(id));
    const { message: event } = kind.events;
    publish([viewer.id], { event, payload: own }, answered);
    if (others.length > 0) {
      publish(others, { event, payload: toWire(message, { conversationId, viewerId: '' }) });
      notify(others, { title: conversation.title, message: own, conversationId });
    }
    return own;
  };

  return async function sendConversationMessage(viewer: Viewer, draft: Draft): Promise<M> {
    let reading: Promise<BlockedUser | undefined> | undefined;
    const read = (): Promise<BlockedUser | undefined> => {
      reading ??= blocks.withUser(viewer.id);
      return reading;
    };
    let stored: Stored;
    try {
      stored = await store(viewer, draft, { read, onLate: (late) => tell(viewer, draft, { stored: late }) });
    } catch (refusal) {
      const retried = await findRetried(viewer, draft, refusal);
      const toWire = await describe(retried, viewer, await read());
      return toWire(retried, { conversationId: draft.conversationId, viewerId: viewer.id });
    }
    return tell(viewer, draft, { stored, answered: viewer.socketId });
  };
}

const blockedOf = (sender: BlockedUser | undefined): ReadonlySet<string> => sender?.blocked ?? NO_USERS;
