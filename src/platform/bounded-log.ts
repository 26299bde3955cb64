import type { Clock } from './clock.js';
import type { Logger } from './logger.js';

/** Lines of one kind that are written in each period; others are counted. */
const LINES_MAX = 10;
const PERIOD_MS = 60_000;
/** Distinct kinds in one period; the rest share one kind. */
const KINDS_MAX = 1000;

/** Fields that distinguish lines with the same message. Their values are names from the code or the settings. */
const KIND_FIELDS = ['namespace', 'event', 'code', 'path', 'site', 'step'] as const;

/**
 * A logger that rate-limits warnings and errors, because callers can cause them. Writes the first ten of a kind in each
 * minute and counts the rest. Logs the number of omitted lines at the end of the minute. A kind is level, message and
 * place.
 */
export function boundLog(logger: Logger, clock: Clock): Logger {
  const bounded = Object.create(logger) as Logger;
  for (const level of ['warn', 'error'] as const) bounded[level] = boundLevel(logger, level, clock);
  return bounded;
}

function boundLevel(logger: Logger, level: 'warn' | 'error', clock: Clock): Logger['warn'] {
  const kinds = new Map<string, { lines: number; omitted: number }>();

  const begin = (kind: string, message: string): { lines: number; omitted: number } => {
    const state = { lines: 0, omitted: 0 };
    kinds.set(kind, state);
    clock.after(PERIOD_MS, () => {
      kinds.delete(kind);
      if (state.omitted > 0) logger[level]({ omitted: state.omitted }, message);
    });
    return state;
  };

  return (...args: unknown[]): void => {
    const message = String(typeof args[0] === 'string' ? args[0] : args[1]);
    const own = kindOf(args[0], message);
    const kind = kinds.has(own) || kinds.size < KINDS_MAX ? own : 'others';
    const state = kinds.get(kind) ?? begin(kind, kind === 'others' ? 'other lines' : message);
    if (state.lines < LINES_MAX) {
      state.lines += 1;
      logger[level](...(args as [object, string]));
    } else {
      state.omitted += 1;
    }
  };
}

function kindOf(details: unknown, message: string): string {
  if (details === null || typeof details !== 'object') return message;
  const fields = details as Readonly<Record<string, unknown>>;
  return [message, ...KIND_FIELDS.map((name) => fields[name] ?? '')].join('\n');
}
