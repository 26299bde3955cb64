import { setImmediate } from 'node:timers/promises';

/** Waits until `condition` holds, looking again on each turn of the event loop. The test's own time limit ends it. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await setImmediate();
}
