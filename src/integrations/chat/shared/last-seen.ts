import { isObjectIdOrHexString } from 'mongoose';
import type { Context } from '../../../framework/context.js';
import { createBatcher } from '../../../platform/batcher.js';

/** Users in one update. */
const GROUP_MAX = 1000;

/** Notes that users were seen now, those of one turn with one update. */
export function createLastSeen({ models, clock }: Pick<Context, 'models' | 'clock'>) {
  const note = createBatcher<string, void>(async (ids) => {
    const lastSeen = new Date(clock.now());
    await models.User.updateMany({ _id: { $in: [...new Set(ids)] } }, { lastSeen }, { timestamps: false });
    return ids.map(() => undefined);
  }, GROUP_MAX);
  // Other ids are of no user.
  return async function noteLastSeen(userId: string): Promise<void> {
    return isObjectIdOrHexString(userId) ? note(userId) : undefined;
  };
}
