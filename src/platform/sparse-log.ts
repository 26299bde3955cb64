import type { Clock } from './clock.js';
import type { Logger } from './logger.js';

/** Lines in each period; what comes beyond is counted. */
const LINES_MAX = 10;
const PERIOD_MS = 60_000;

/**
 * A line of the log that callers cause: written for the first ten times in a minute, then counted, so that no caller can
 * flood the log. At the end of the minute one line says how many were left out.
 */
export function createSparseLog(
  { clock, logger }: { clock: Clock; logger: Pick<Logger, 'warn'> },
  message: string,
): (details: object) => void {
  let written = 0;
  let omitted = 0;
  const begin = (): void => {
    written = 0;
    omitted = 0;
    clock.after(PERIOD_MS, () => {
      if (omitted > 0) logger.warn({ omitted }, message);
      written = 0;
    });
  };
  return (details) => {
    if (written === 0) begin();
    if (written < LINES_MAX) {
      written += 1;
      logger.warn(details, message);
    } else {
      omitted += 1;
    }
  };
}
