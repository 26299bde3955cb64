import { setImmediate, setTimeout } from 'node:timers/promises';

/** Looks without a pause; what happens in this process usually needs fewer turns of the event loop. */
const EAGER_LOOKS = 20;
/** The longest pause. Looking on every turn would keep a core from the processes that the test waits for. */
const PAUSE_MAX_MS = 20;

/**
 * Waits until `condition` holds: looks on the next turns of the event loop first, then after pauses of 1 to
 * {@link PAUSE_MAX_MS} ms. The time limit of the test ends it.
 */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let looks = 0; !(await condition()); looks += 1) {
    if (looks < EAGER_LOOKS) await setImmediate();
    else await setTimeout(Math.min(2 ** Math.floor((looks - EAGER_LOOKS) / 5), PAUSE_MAX_MS));
  }
}
