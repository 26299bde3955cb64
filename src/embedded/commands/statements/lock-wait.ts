import type { LockedError } from '../../engine/lock.js';
import type { Deadline } from '../request/deadline.js';

/**
 * Waits until the transaction that holds a lock has ended.
 * @throws DatabaseError MaxTimeMSExpired at the deadline
 */
export async function waitForLock({ owner }: LockedError, deadline: Deadline): Promise<void> {
  if (deadline.at === Number.POSITIVE_INFINITY) {
    await owner.ended;
    return;
  }
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, Math.max(0, deadline.at - performance.now()));
  });
  await Promise.race([owner.ended, timeout]);
  clearTimeout(timer);
  deadline.check();
}
