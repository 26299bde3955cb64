import type { Clock } from '../time/clock.js';
import { type CodedEvent, eventOf, type LogLevel } from './events.js';
import { type AnyLogger, type LogArguments, type LogDetails, type Logger, toLine, toLogger } from './logger.js';

/** Lines of one kind that are written in each period, unless the event has its own number; others are counted. */
const LINES_MAX = 10;
const PERIOD_MS = 60_000;
/** Distinct kinds of one event in one period; the rest share one kind. */
const KINDS_MAX = 1000;

/** A logger with bounds, which holds counts of omitted lines. */
export interface BoundedLog {
  readonly logger: Logger;
  /** Logs the counts at once. To be called before the process ends. */
  flush(): void;
}

/** Lines of one kind in the current period. */
interface Kind {
  lines: number;
  omitted: number;
}

/**
 * Rate-limits a logger, because callers can cause most lines. Writes the first lines of a kind in each minute and counts the
 * rest. Logs the number of omitted lines at the end of the minute. A kind is an event and its `per` fields.
 */
export function boundLog(bounded: Logger, clock: Clock): BoundedLog {
  const logger = bounded as AnyLogger;
  const kindsByMessage = new Map<string, Map<string, Kind>>();
  const pending = new Set<() => void>();

  const begin = (message: string, level: LogLevel, place: LogDetails): Kind => {
    const kind = { lines: 0, omitted: 0 };
    const tell = (): void => {
      if (kind.omitted > 0 && eventOf(message)?.isCounted !== false) {
        logger[level]({ ...place, omitted: kind.omitted }, message);
      }
      kind.omitted = 0;
    };
    const key = keyOf(place);
    pending.add(tell);
    clock.after(PERIOD_MS, () => {
      kindsByMessage.get(message)?.delete(key);
      pending.delete(tell);
      tell();
    });
    return kind;
  };

  const kindOf = (message: string, level: LogLevel, place: LogDetails): Kind => {
    const kinds = kindsByMessage.get(message) ?? new Map<string, Kind>();
    kindsByMessage.set(message, kinds);
    const isFull = kinds.size >= KINDS_MAX && !kinds.has(keyOf(place));
    const own = isFull ? {} : place;
    const kind = kinds.get(keyOf(own)) ?? begin(message, level, own);
    kinds.set(keyOf(own), kind);
    return kind;
  };

  const method =
    (level: LogLevel) =>
    (...args: LogArguments): void => {
      const { details, message } = toLine(args);
      const event = eventOf(message);
      const place = event?.per === undefined ? {} : placeOf(details, event.per);
      const kind = kindOf(message, level, place);
      if (kind.lines < (event?.lines ?? LINES_MAX)) {
        kind.lines += 1;
        logger[level](details, message);
      } else {
        kind.omitted += 1;
      }
    };

  return {
    // Lines for debugging are wanted as they are.
    logger: { ...toLogger(method), debug: logger.debug },
    flush() {
      for (const tell of pending) tell();
    },
  };
}

/** The values that distinguish a kind. */
function placeOf(details: LogDetails | (() => LogDetails), per: NonNullable<CodedEvent['per']>): LogDetails {
  const fields = typeof details === 'function' ? details() : details;
  return Object.fromEntries(per.map((name) => [name, fields[name]]));
}

const keyOf = (place: LogDetails): string => Object.values(place).map(String).join('\n');
