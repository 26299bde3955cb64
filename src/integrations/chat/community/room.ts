import type { Principal } from '../../../auth/principal.js';
import type { Context } from '../../../framework/context.js';
import type { EventContext } from '../../../framework/events.js';
import type { Coalescer } from '../../../platform/concurrency/coalescer.js';
import { createKeyedMutex } from '../../../platform/concurrency/keyed-mutex.js';
import type { Settling } from '../../../platform/concurrency/settling.js';
import { rooms } from '../../../realtime/rooms.js';
import type { ShownTyping, Typing } from '../shared/index.js';
import type { ChatAccess, ChatsAccess } from './access.js';
import type { ActiveViewers } from './active-viewers.js';
import { type Publisher, toAudience } from './publisher.js';
import type { RateLimits } from './rate-limits.js';

interface Dependencies extends Pick<Context, 'clock' | 'config' | 'logger'> {
  access: ChatsAccess;
  rateLimits: RateLimits;
  coalescer: Coalescer;
  settling: Settling;
  publisher: Publisher;
  activeViewers: ActiveViewers;
  typing: Typing;
  shownTyping: ShownTyping;
}

/** A chat that the caller can open. */
type Opened = Parameters<Publisher['others']>[0];

type MoveEvent = 'chat:user_joined' | 'chat:user_left';

/** The socket of an event. */
export type EventSocket = Pick<EventContext, 'principal' | 'socketId' | 'enter' | 'leave'>;

/** Joins, leaves and typing events: sent only to active viewers of a chat. */
export function createRoom(dependencies: Dependencies) {
  const {
    clock,
    config,
    logger,
    access,
    rateLimits,
    coalescer,
    settling,
    publisher,
    activeViewers,
    typing,
    shownTyping,
  } = dependencies;
  const mutex = createKeyedMutex({ clock, waitMs: config.sockets.turnWaitMs });

  /** In the order in which the socket asked, so that it ends where it asked last. */
  const inOrder = (socketId: string, chatId: string, move: () => Promise<void>): Promise<void> =>
    mutex.run([`${socketId} ${chatId}`], move);

  const toTyping = ({ chat, caller }: Opened) => ({ chatId: chat._id.toHexString(), userId: caller.id });

  const publishOthers = (opened: Opened, event: string, more: object = {}): void => {
    const payload = { chatId: opened.chat._id.toHexString(), userId: opened.caller.id, ...more };
    publisher.othersPresent(opened, { event, payload });
  };

  /** Reads the participants again, because one may have been removed since. */
  const publishStopped = async (opened: ChatAccess): Promise<void> => {
    try {
      const now = await access.again(opened);
      if (now !== undefined) publishOthers(now, 'chat:user_stopped_typing');
      shownTyping.hide(toTyping(opened));
    } catch (error) {
      logger.warn({ err: error }, 'community: sending the end of typing failed');
    }
  };

  const openToType = async (principal: Principal, id: string): Promise<ChatAccess> => {
    const opened = await access.openToSpeak(principal, id);
    await rateLimits.pay(principal, { receivers: 2 * opened.chat.participants.length });
    return opened;
  };

  /** Comings and goings of one user in one chat. */
  const keyOf = ({ caller, chat }: ChatAccess): string => `chat ${chat._id.toHexString()} ${caller.id}`;

  const payForNews = async (principal: Principal, opened: ChatAccess): Promise<void> => {
    if (coalescer.isNew(keyOf(opened))) await rateLimits.pay(principal, { receivers: opened.chat.participants.length });
  };

  /** Sends that the user is in the chat or not, and later what is so if that is something else. */
  const publishMove = (principal: Principal, opened: ChatAccess, event: MoveEvent): void => {
    publishOthers(opened, event, { userName: opened.caller.name, timestamp: new Date(clock.now()).toISOString() });
    const chatId = opened.chat._id.toHexString();
    settling.settle(keyOf(opened), {
      sent: event === 'chat:user_joined',
      read: () => activeViewers.has(chatId, opened.caller.id),
      send: () => coalescer.correct(keyOf(opened), { later: () => publishState(principal, chatId) }),
    });
  };

  /** Sends whether the user has a socket in the chat now, on any node. */
  const publishState = async (principal: Principal, chatId: string): Promise<void> => {
    try {
      const opened = await access.open(principal, chatId);
      const isThere = (await activeViewers.has(chatId, opened.caller.id)) === true;
      publishMove(principal, opened, isThere ? 'chat:user_joined' : 'chat:user_left');
    } catch (error) {
      logger.warn({ err: error }, 'community: notifying a chat failed');
    }
  };

  /** With another socket. Without Redis none is known. */
  const isStillThere = ({ caller, chat }: ChatAccess): Promise<boolean> =>
    activeViewers.has(chat._id.toHexString(), caller.id).then(
      (isThere) => isThere === true,
      () => false,
    );

  const offer = (principal: Principal, opened: ChatAccess, event: MoveEvent): Promise<void> =>
    coalescer.offer(keyOf(opened), {
      async now() {
        if (event === 'chat:user_joined' || !(await isStillThere(opened))) publishMove(principal, opened, event);
      },
      later: () => publishState(principal, opened.chat._id.toHexString()),
    });

  return {
    join: ({ principal, socketId, leave }: EventSocket, chatId: string): Promise<void> =>
      inOrder(socketId, chatId, async () => {
        const opened = await access.open(principal, chatId);
        await payForNews(principal, opened);
        const id = opened.chat._id.toHexString();
        leave(rooms.chatLeft(id));
        await activeViewers.enter({ socketId, userId: opened.caller.id }, id);
        await offer(principal, opened, 'chat:user_joined');
      }),

    leave: ({ principal, socketId, enter }: EventSocket, chatId: string): Promise<void> =>
      inOrder(socketId, chatId, async () => {
        const opened = await access.open(principal, chatId);
        await payForNews(principal, opened);
        const id = opened.chat._id.toHexString();
        typing.stop(socketId, id);
        await activeViewers.leave({ socketId, userId: opened.caller.id }, id);
        enter(rooms.chatLeft(id));
        await offer(principal, opened, 'chat:user_left');
      }),

    /** Idempotent; extends the time. */
    async startTyping({ principal, socketId }: EventSocket, chatId: string): Promise<void> {
      const typist = typing.start(socketId, chatId);
      const opened = await openToType(principal, chatId).catch((error: unknown) => {
        typing.stop(socketId, chatId);
        throw error;
      });
      if (!typist.begin(() => void publishStopped(opened))) return;
      publishOthers(opened, 'chat:user_typing', { userName: opened.caller.name });
      const { rooms: shownTo, except } = toAudience(opened);
      const own = [rooms.user(opened.caller.id), rooms.chatLeft(opened.chat._id.toHexString())];
      shownTyping.show(toTyping(opened), { rooms: shownTo, except: [...except, ...own] });
    },

    async stopTyping({ principal, socketId }: EventSocket, chatId: string): Promise<void> {
      typing.stop(socketId, chatId);
      await access.open(principal, chatId);
    },
  };
}
