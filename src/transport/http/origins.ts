import type { Logger } from '../../platform/logging/logger.js';

/** Maximum length of an origin. Longer values are truncated in the log. */
const LOGGED_MAX = 200;

/** Whether a page of this origin is allowed; logs a refusal. Callers other than pages send no origin. */
export type AllowsOrigin = (origin: string | undefined) => boolean;

/** @param allowed in the form of browsers; empty: any */
export function createOriginCheck(
  allowed: readonly string[],
  { logger }: { logger: Pick<Logger, 'warn'> },
): AllowsOrigin {
  return function isAllowedOrigin(origin) {
    if (allowed.length === 0 || origin === undefined || allowed.includes(origin)) return true;
    const details = { origin: origin.slice(0, LOGGED_MAX), allowed };
    logger.warn(details, 'a browser was refused: the origin of its page is not in CORS_ORIGINS');
    return false;
  };
}
