import type { Context } from '../../../framework/context.js';
import { cutText } from '../../../platform/text.js';
import type { WireMessage } from '../kind.js';

/** A sent message. */
interface SentMessage {
  /** Title of the conversation; `''`: the sender's name is used. */
  readonly title: string;
  readonly message: WireMessage;
  readonly conversationId: string;
}

/** Sends a push to users without a socket. Returns at once; failures are logged. */
export type Notify = (userIds: readonly string[], sent: SentMessage) => void;

/** Maximum length of a message excerpt in a notification. */
const BODY_MAX = 200;

/** While push is off, nothing is read. */
export function createNotify({ push, presence, logger }: Context): Notify {
  const send = async (userIds: readonly string[], { title, message, conversationId }: SentMessage): Promise<void> => {
    const absent = (await presence.get(userIds)).filter(({ online }) => !online).map(({ userId }) => userId);
    if (absent.length === 0) return;
    await push.send(absent, {
      title: title === '' ? message.sent_by.name : title,
      body: cutText(message.data, BODY_MAX),
      data: { id: message._id, event: 'message', conversation_id: conversationId },
    });
  };
  return function notifyParticipants(userIds, sent) {
    if (!push.isOn) return;
    send(userIds, sent).catch((error: unknown) =>
      logger.warn({ err: error }, 'conversations: sending a push for a message failed'),
    );
  };
}
