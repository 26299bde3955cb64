import type { Context } from '../../../framework/context.js';
import type { Blocks, People, UserServices } from '../../users/index.js';
import { type Authentication, createAuthentication } from './authentication.js';
import { type Callers, createCallers } from './circles.js';
import { createLastSeen } from './last-seen.js';
import { createSnapshots, type Snapshots } from './snapshots.js';
import { createWatchers } from './watchers.js';

/** The services that both chats share. */
export interface ChatServices {
  readonly people: People;
  readonly authentication: Authentication;
  readonly blocks: Blocks;
  /** See {@link createCallers}. */
  readonly callers: Callers;
  /** See {@link createWatchers}. */
  readonly isWatched: () => Promise<boolean>;
  /** See {@link createLastSeen}. */
  readonly noteSeen: (userIds: readonly string[]) => Promise<void>;
  readonly snapshots: Snapshots;
}

/** Creates the services that both chats share. */
export function createChatServices(context: Context, { people, blocks }: UserServices): ChatServices {
  const authentication = createAuthentication({ ...context, people });
  const snapshots = createSnapshots(context);
  return {
    people,
    blocks,
    authentication,
    callers: createCallers(authentication),
    isWatched: createWatchers(context.chatPresence, snapshots),
    noteSeen: createLastSeen(context),
    snapshots,
  };
}
