import type { Context } from '../../framework/context.js';
import { cutText } from '../../platform/text.js';
import type { WireMessage } from './kind.js';

/** Something that was said. */
interface Said {
  /** Of the conversation; `''`: the sender's name stands for it. */
  readonly title: string;
  readonly message: WireMessage;
  readonly conversationId: string;
}

/** Tells those who have no socket anywhere by push. Returns at once; what fails is logged. */
export type Notify = (userIds: readonly string[], said: Said) => void;

/** The most of a message that a notification shows. */
const BODY_MAX = 200;

export function createNotify({ push, presence, logger }: Context): Notify {
  const send = async (userIds: readonly string[], { title, message, conversationId }: Said): Promise<void> => {
    const absent = (await presence.get(userIds)).filter(({ online }) => !online).map(({ userId }) => userId);
    if (absent.length === 0) return;
    await push.send(absent, {
      title: title === '' ? message.sent_by.name : title,
      body: cutText(message.data, BODY_MAX),
      data: { id: message._id, event: 'message', conversation_id: conversationId },
    });
  };
  return (userIds, said) => {
    if (!push.isOn) return;
    send(userIds, said).catch((error: unknown) => logger.warn({ err: error }, 'a message was not pushed'));
  };
}
