import type { Principal } from '../../../auth/principal.js';
import type { Context } from '../../../framework/context.js';
import { rooms } from '../../../realtime/rooms.js';
import type { Typing } from '../shared/index.js';
import type { ChatAccess, ChatsAccess } from './access.js';
import type { ActiveViewers } from './active-viewers.js';
import type { Tell } from './tell.js';

interface Dependencies extends Pick<Context, 'models' | 'clock' | 'logger'> {
  access: ChatsAccess;
  tell: Tell;
  activeViewers: ActiveViewers;
  typing: Typing;
}

/** A chat that the caller can open. */
type Opened = Parameters<Tell['others']>[0];

/** The socket of an event. */
interface Here {
  readonly principal: Principal;
  readonly socketId: string;
  enter(room: string): void;
  leave(room: string): void;
}

/** Joins, leaves and typing events: sent only to active viewers of a chat. */
export function createRoom({ models, clock, logger, access, tell, activeViewers, typing }: Dependencies) {
  const tellOthers = (opened: Opened, event: string, more: object = {}): void => {
    const payload = { chatId: opened.chat._id.toHexString(), userId: opened.caller.id, ...more };
    tell.othersPresent(opened, { event, payload });
  };

  /** Reads the participants again, because one may have been removed since. */
  const tellStopped = async (opened: ChatAccess): Promise<void> => {
    try {
      const chat = await models.Chat.findById(opened.chat._id, { participants: 1 }).lean();
      if (chat !== null) tellOthers({ ...opened, chat }, 'chat:user_stopped_typing');
    } catch (error) {
      logger.warn({ err: error }, 'community: sending the end of typing failed');
    }
  };

  const nameAndTime = ({ caller }: ChatAccess) => ({
    userName: caller.name,
    timestamp: new Date(clock.now()).toISOString(),
  });

  return {
    async join({ principal, socketId, leave }: Here, chatId: string): Promise<void> {
      const opened = await access.open(principal, chatId);
      const id = opened.chat._id.toHexString();
      leave(rooms.chatLeft(id));
      await activeViewers.enter({ socketId, userId: opened.caller.id }, id);
      tellOthers(opened, 'chat:user_joined', nameAndTime(opened));
    },

    async leave({ principal, socketId, enter }: Here, chatId: string): Promise<void> {
      const opened = await access.open(principal, chatId);
      const id = opened.chat._id.toHexString();
      typing.stop(socketId, id);
      await activeViewers.leave({ socketId, userId: opened.caller.id }, id);
      enter(rooms.chatLeft(id));
      tellOthers(opened, 'chat:user_left', nameAndTime(opened));
    },

    /** Idempotent; extends the time. */
    async startTyping({ principal, socketId }: Here, chatId: string): Promise<void> {
      const id = chatId.toLowerCase();
      const typist = typing.start(socketId, id);
      const opened = await access.openToSpeak(principal, id).catch((error: unknown) => {
        typing.stop(socketId, id);
        throw error;
      });
      if (!typist.begin(() => void tellStopped(opened))) return;
      tellOthers(opened, 'chat:user_typing', { userName: opened.caller.name });
    },

    async stopTyping({ principal, socketId }: Here, chatId: string): Promise<void> {
      typing.stop(socketId, chatId.toLowerCase());
      await access.open(principal, chatId);
    },
  };
}
