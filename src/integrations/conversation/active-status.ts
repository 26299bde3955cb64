import { isObjectIdOrHexString } from 'mongoose';
import { conversationNamespaces } from '#shared/contracts/namespaces.js';
import type { Context } from '../../framework/context.js';
import { rooms } from '../../realtime/rooms.js';

/** Whether team members are at their desks. */
export interface ActiveStatus {
  /**
   * Stores the status with the user, then tells the account.
   * @param exceptSocketId the socket that said so, which knows
   */
  set(user: { userId: string; accountId: string }, status: 'active' | 'away', exceptSocketId?: string): Promise<void>;
}

/** The status of a user goes to everybody of the same account, on both conversation namespaces. */
export const createActiveStatus = ({ models, emitter }: Context): ActiveStatus => ({
  async set({ userId, accountId }, status, exceptSocketId) {
    // Ids are opaque to the gateway; only one of the platform's own form can name a document.
    if (isObjectIdOrHexString(userId)) {
      await models.User.updateOne({ _id: userId }, { conversation_active_status: status });
    }
    if (accountId === '') return;
    emitter.emit(
      {
        namespaces: conversationNamespaces,
        rooms: [rooms.account(accountId)],
        ...(exceptSocketId === undefined ? {} : { exceptSocketId }),
      },
      { event: 'active_status', payload: { userID: userId, conversation_active_status: status } },
    );
  },
});
