import type { Context } from '../../../framework/context.js';
import { createCoalescer } from '../../../platform/coalescer.js';
import { type ChatServices, createTyping } from '../shared/index.js';
import { createAccess } from './access.js';
import { createCommunity } from './acquaintances.js';
import { createActiveViewers } from './active-viewers.js';
import { createBudget } from './budget.js';
import { createChanges } from './changes.js';
import { createDirect } from './direct.js';
import { createFaces } from './faces.js';
import { createGroups } from './groups.js';
import { createHistory } from './history.js';
import { createLists } from './lists.js';
import { createChatLog } from './log.js';
import { createNotifications } from './notifications.js';
import { createPins } from './pins.js';
import { createRead } from './read.js';
import { createRoom } from './room.js';
import { createSend } from './send.js';
import { createStatuses } from './statuses.js';
import { createTell } from './tell.js';

/** Of several changes of one user within this time the last state is sent. */
const NEWS_WINDOW_MS = 1000;

/** The services of the community chat, used by events and routes. */
export type CommunityServices = ReturnType<typeof createCommunityServices>;

/** Creates all services. To be called once, because sending keeps the order of one user's messages. */
export function createCommunityServices(context: Context, { entrance, people, blocks }: ChatServices) {
  const { models } = context;
  const access = createAccess({ models, entrance, blocks });
  const activeViewers = createActiveViewers(context.chatPresence);
  const typing = createTyping(context.clock);
  const faces = createFaces(models);
  const community = createCommunity(models, blocks);
  const tell = createTell(context);
  const budget = createBudget(context);
  const coalescer = createCoalescer({ clock: context.clock, windowMs: NEWS_WINDOW_MS });
  const log = createChatLog(context, faces);
  const known = { blocks, community, entrance, people };
  const parts = { ...context, ...known, access, activeViewers, budget, coalescer, faces, log, tell, typing };
  const notifications = createNotifications(parts);
  const lists = createLists(parts);
  return {
    log,
    budget,
    coalescer,
    activeViewers,
    typing,
    community,
    notifications,
    room: createRoom(parts),
    send: createSend({ ...parts, notifications }),
    changes: createChanges({ ...parts, notifications }),
    pins: createPins(parts),
    read: createRead({ ...parts, notifications }),
    history: createHistory(parts),
    lists,
    openDirect: createDirect({ ...parts, lists }),
    groups: createGroups(parts),
    statuses: createStatuses(parts),
  };
}
