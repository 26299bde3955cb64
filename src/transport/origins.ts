import type { Logger } from '../platform/logger.js';

/** Longer ones are no origins; they are cut before they are logged. */
const LOGGED_MAX = 200;

/** Whether a page of this origin may talk to the gateway; a refusal is logged. A caller that is no page has none. */
export type AllowsOrigin = (origin: string | undefined) => boolean;

/** @param allowed as browsers write them; empty: any */
export function createOriginCheck(
  allowed: readonly string[],
  { logger }: { logger: Pick<Logger, 'warn'> },
): AllowsOrigin {
  return (origin) => {
    if (allowed.length === 0 || origin === undefined || allowed.includes(origin)) return true;
    const details = { origin: origin.slice(0, LOGGED_MAX), allowed };
    logger.warn(details, 'a browser was refused: its page is of an origin not in CORS_ORIGINS');
    return false;
  };
}
