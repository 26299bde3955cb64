import { isObjectIdOrHexString } from 'mongoose';
import { conversationNamespaces } from '#shared/contracts/namespaces.js';
import type { Context } from '../../framework/context.js';
import { rooms } from '../../realtime/rooms.js';
import type { Blocks } from '../users/index.js';

/** Active or away status of team members. */
export interface ActiveStatus {
  /**
   * Stores the status of the user, then notifies the account.
   * @param exceptSocketId the socket that set the status, which is not notified
   */
  set(user: { userId: string; accountId: string }, status: 'active' | 'away', exceptSocketId?: string): Promise<void>;
}

/** Sends the status of a user to the account, except users with a block, on both conversation namespaces. */
export const createActiveStatus = ({ models, emitter }: Context, blocks: Blocks): ActiveStatus => ({
  async set({ userId, accountId }, status, exceptSocketId) {
    // Ids are opaque to the gateway; only an ObjectId can name a document.
    if (isObjectIdOrHexString(userId)) {
      await models.User.updateOne({ _id: userId }, { conversation_active_status: status });
    }
    if (accountId === '') return;
    const blocked = await blocks.of(userId);
    emitter.emit(
      {
        namespaces: conversationNamespaces,
        rooms: [rooms.account(accountId)],
        exceptRoom: [...blocked].map(rooms.user),
        ...(exceptSocketId === undefined ? {} : { exceptSocketId }),
      },
      { event: 'active_status', payload: { userID: userId, conversation_active_status: status } },
    );
  },
});
