import { chatNamespace } from '#shared/contracts/namespaces.js';
import type { Context } from '../../../framework/context.js';
import { createCoalescer } from '../../../platform/concurrency/coalescer.js';
import { createSettling } from '../../../platform/concurrency/settling.js';
import { createFindPresent } from '../../../realtime/present-users.js';
import { type ChatServices, createShownTyping, createTyping } from '../shared/index.js';
import { createAccess } from './access.js';
import { createActiveViewers } from './active-viewers.js';
import { createChanges } from './changes.js';
import { createCommunity } from './contacts.js';
import { createDirect } from './direct.js';
import { createGroups } from './groups.js';
import { createHistory } from './history.js';
import { createLists } from './lists.js';
import { createChatLog } from './log.js';
import { createNotifications } from './notifications.js';
import { createPins } from './pins.js';
import { createPublisher } from './publisher.js';
import { createRateLimits } from './rate-limits.js';
import { createRead } from './read.js';
import { createRoom } from './room.js';
import { createSend } from './send.js';
import { createStatuses } from './statuses.js';
import { createUserSummaries } from './user-summaries.js';

/** Of several changes of one user within this time the last state is sent. */
const NEWS_WINDOW_MS = 1000;

/** The services of the community chat, used by events and routes. */
export type CommunityServices = ReturnType<typeof createCommunityServices>;

/** Creates all services. To be called once, because sending keeps the order of one user's messages. */
export function createCommunityServices(context: Context, { authentication, people, blocks, callers }: ChatServices) {
  const { models, steadyClock } = context;
  const access = createAccess({ models, callers, blocks, clock: steadyClock });
  const activeViewers = createActiveViewers(context.chatPresence);
  const typing = createTyping(context.clock);
  const shownTyping = createShownTyping({
    ...context,
    events: { started: 'chat:user_typing', stopped: 'chat:user_stopped_typing' },
    placeField: 'chatId',
    readRooms: access.roomsOf,
  });
  const summaries = createUserSummaries(models);
  const community = createCommunity(models, blocks);
  const publisher = createPublisher(context);
  const rateLimits = createRateLimits(context);
  const coalescer = createCoalescer({ clock: context.clock, windowMs: NEWS_WINDOW_MS });
  const settling = createSettling(context);
  const findPresent = createFindPresent(context, [chatNamespace]);
  const log = createChatLog(context, { summaries, blocks });
  const known = { blocks, community, authentication, people };
  const parts = {
    ...context,
    ...known,
    access,
    activeViewers,
    rateLimits,
    coalescer,
    settling,
    summaries,
    log,
    publisher,
    typing,
    shownTyping,
    findPresent,
  };
  const notifications = createNotifications(parts);
  const lists = createLists(parts);
  return {
    log,
    rateLimits,
    coalescer,
    settling,
    activeViewers,
    typing,
    community,
    notifications,
    room: createRoom(parts),
    ...createSend({ ...parts, notifications }),
    changes: createChanges({ ...parts, notifications }),
    pins: createPins(parts),
    ...createRead({ ...parts, notifications }),
    history: createHistory(parts),
    lists,
    summaries,
    openDirect: createDirect({ ...parts, lists }),
    groups: createGroups(parts),
    statuses: createStatuses(parts),
  };
}
