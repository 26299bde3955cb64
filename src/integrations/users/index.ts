import type { Context } from '../../framework/context.js';
import type { Integration } from '../../framework/integration.js';
import { type Blocks, createBlocks } from './blocks.js';
import { createLockCheck, type LockCheck } from './lock-check.js';
import { createLockWatch } from './lock-watch.js';
import { createPeople, type People } from './people.js';
import { createSession } from './session.js';
import { createSharedEvents } from './shared-events.js';

export {
  type BlockedUser,
  type Blocks,
  blockedAmong,
  blockedUserFields,
  isBlockBetween,
  isSameAccount,
  NO_USERS,
} from './blocks.js';
export { endLocked } from './lock-check.js';
export { accountOf, nameOf, type People, type Person, type Relations, toObjectId } from './people.js';
export { sessionHandlers } from './session.js';

/** User services for other integrations. */
export interface UserServices {
  readonly people: People;
  readonly lockCheck: LockCheck;
  readonly blocks: Blocks;
}

/** To be called once for a node: lookups of all integrations share their queries. */
export function createUserServices({ models, clock, steadyClock, logger }: Context): UserServices {
  const people = createPeople({ models, clock, steadyClock });
  return { people, lockCheck: createLockCheck({ people, clock: steadyClock, logger }), blocks: createBlocks(models) };
}

/**
 * The namespaces of the platform's users: authentication, disconnection of locked users, token renewal, and `/v1/shared`.
 */
export const createUsers = (context: Context, { people, lockCheck }: UserServices): Integration[] => [
  { name: 'lock watch', ...createLockWatch({ ...context, clock: context.steadyClock, people, lockCheck }) },
  createSession(context, lockCheck),
  createSharedEvents(context),
];
