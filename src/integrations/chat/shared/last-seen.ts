import type { Context } from '../../../framework/context.js';
import { toObjectId } from '../../users/index.js';

/** Notes that users were seen now, with one update. Ids of another kind than those of the platform's users are ignored. */
export function createLastSeen({ models, clock }: Pick<Context, 'models' | 'clock'>) {
  return async function noteLastSeen(userIds: readonly string[]): Promise<void> {
    const ids = userIds.flatMap(toObjectId);
    if (ids.length === 0) return;
    const lastSeen = new Date(clock.now());
    // Through the driver: Mongoose would take longer to convert the ids than all the rest.
    await models.User.collection.updateMany({ _id: { $in: ids } }, { $set: { lastSeen } });
  };
}
