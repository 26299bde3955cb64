import type { Clock } from '../platform/clock.js';
import type { Logger } from '../platform/logger.js';
import { createSparseLog } from '../platform/sparse-log.js';

/** Longer ones are no origins; they are cut before they are logged. */
const LOGGED_MAX = 200;

/** Whether a page of this origin may talk to the gateway; a refusal is logged. A caller that is no page has none. */
export type AllowsOrigin = (origin: string | undefined) => boolean;

/** @param allowed as browsers write them; empty: any */
export function createOriginCheck(
  allowed: readonly string[],
  dependencies: { clock: Clock; logger: Pick<Logger, 'warn'> },
): AllowsOrigin {
  const report = createSparseLog(dependencies, 'a browser was refused: its page is of an origin not in CORS_ORIGINS');
  return (origin) => {
    if (allowed.length === 0 || origin === undefined || allowed.includes(origin)) return true;
    report({ origin: origin.slice(0, LOGGED_MAX), allowed });
    return false;
  };
}
