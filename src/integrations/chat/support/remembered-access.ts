import type { Models } from '#shared/models/index.js';
import type { Clock } from '../../../platform/time/clock.js';
import { type Caller, type Callers, createRememberedConversations } from '../shared/index.js';
import { accountableIn, toForeign } from './accounts.js';
import type { StoredConversation } from './stored-conversations.js';

interface Dependencies {
  models: Models;
  callers: Callers;
  clock: Clock;
}

/**
 * Remembers conversations that were opened, so that the next message is stored without reading them. Only those in which all
 * users have access and no two have a block: for these, few conditions tell that nothing has changed.
 */
export function createRememberedAccess(dependencies: Dependencies) {
  const { find, noteChange, ...remembered } = createRememberedConversations<StoredConversation>(dependencies);
  return {
    find,
    noteChange,

    /** To be called when a caller opened a conversation without outsiders and blocks. */
    remember(caller: Caller, found: StoredConversation): void {
      const { conversation, members, isOfDepartment, conditions } = found;
      const id = conversation._id.toHexString();
      const { departmentId, status } = conversation;
      // If the department does not exist, no condition tells when it is created.
      const isUsual = caller.kind === 'user' && status !== 'closed' && isOfDepartment === (departmentId !== null);
      const foreign = isUsual && !isOfDepartment ? toForeign(caller.account) : undefined;
      if (!isUsual || (!isOfDepartment && foreign === undefined)) {
        remembered.forget(id);
        return;
      }
      remembered.remember(id, {
        conversation: found,
        users: [...accountableIn(conversation), ...members],
        conditions,
        ...(foreign === undefined ? {} : { account: caller.account, filters: [foreign] }),
      });
    },
  };
}
