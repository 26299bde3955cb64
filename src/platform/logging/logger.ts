import { type DestinationStream, pino, stdSerializers } from 'pino';
import { PinoPretty } from 'pino-pretty';
import { versions } from '../version.js';
import { eventOf, type LogLevel, type MessageOf } from './events.js';
import { toLoggable, toSafeLines } from './loggable.js';
import { openLogOutput } from './output.js';

/** Fields of a line: names, codes, ids and numbers. Never tokens, keys or payloads. `err` is an error. */
export type LogDetails = Readonly<Record<string, unknown>>;

/** Writes lines of one level. The message names the event, see `log-events.ts`. */
interface LogMethod<Level extends LogLevel> {
  (message: MessageOf<Level>): void;
  /** @param details a function is called only when the line is written */
  (details: LogDetails | (() => LogDetails), message: MessageOf<Level>): void;
}

/** Structured log. Callers pass only messages of the catalogue, each with its own level. */
export type Logger = { readonly [Level in LogLevel]: LogMethod<Level> };

/** Options of {@link createLogger}. */
export interface LoggerOptions {
  level: string;
  /** Readable lines instead of JSON. */
  isPretty: boolean;
  /** Name of the node in each line. */
  node?: string;
  /** Whether readable lines have the name, too: of one node it says nothing. */
  showsNode?: boolean;
}

/** Keys whose values are redacted, in the first two levels of a record. */
const SECRET_KEYS = [
  'token',
  'access_token',
  'refresh_token',
  'session_id',
  'secret',
  'password',
  'apiKey',
  'api_key',
  'authorization',
  'cookie',
  '["x-api-key"]',
  '["x-token"]',
  'payload',
  'data',
  'body',
  'query',
  'auth',
];
const at = (prefix: string, key: string): string => (key.startsWith('[') ? `${prefix}${key}` : `${prefix}.${key}`);

/**
 * Structured logs: one JSON object per line in production, readable lines elsewhere. Each line has the `node`, the `version`
 * and the `event` code. Texts are escaped and bounded, because clients choose ids. Callers log names, codes and ids;
 * redaction is a second line of defence for tokens, keys and payloads.
 * @param destination instead of standard output
 */
export function createLogger(
  { level, isPretty, node, showsNode }: LoggerOptions,
  destination: DestinationStream = openLogOutput(),
): Logger {
  const redact = { paths: SECRET_KEYS.flatMap((key) => [key, at('*', key), at('*.*', key)]) };
  const settings = {
    level,
    base: { node, version: versions.version },
    redact: { ...redact, censor: '[redacted]' },
    serializers: { err: toLoggedError },
  };
  const log = isPretty
    ? pino(
        settings,
        PinoPretty({
          sync: true,
          ignore: 'node,version,event',
          translateTime: 'HH:MM:ss',
          ...(showsNode && { messageFormat: '[{node}] {msg}' }),
          destination,
        }),
      )
    : pino(settings, destination);
  const write =
    (own: LogLevel) =>
    (...args: LogArguments): void => {
      if (!log.isLevelEnabled(own)) return;
      const { details, message } = toLine(args);
      const fields = typeof details === 'function' ? details() : details;
      log[own]({ event: eventOf(message)?.code, ...(toLoggable(fields) as object) }, message);
    };
  return toLogger(write);
}

/** Arguments of a {@link LogMethod}, for code that handles lines of any event. */
export type LogArguments = [message: string] | [details: LogDetails | (() => LogDetails), message: string];

/** A {@link Logger} that takes any message. */
export type AnyLogger = Readonly<Record<LogLevel, (...args: LogArguments) => void>>;

/** Details and message of a call. */
export const toLine = (args: LogArguments) =>
  args.length === 1 ? { details: {}, message: args[0] } : { details: args[0], message: args[1] };

/** A logger from one method for each level. */
export const toLogger = (methodOf: (level: LogLevel) => (...args: LogArguments) => void): AnyLogger => ({
  debug: methodOf('debug'),
  info: methodOf('info'),
  warn: methodOf('warn'),
  error: methodOf('error'),
  fatal: methodOf('fatal'),
});

/**
 * Reduces an error to message, code and stack. Database errors carry the topology or all documents of a bulk write,
 * which are long and may contain user data.
 */
function toLoggedError(error: unknown): unknown {
  if (!(error instanceof Error)) return toLoggable(error);
  const { type, message, stack, code, codeName, errorLabels } = stdSerializers.err(error) as Record<string, unknown>;
  const { info } = error as { info?: unknown };
  return {
    type,
    message: toSafeLines(String(message)),
    code,
    codeName,
    errorLabels,
    info: toLoggable(info),
    stack: toSafeLines(String(stack)),
  };
}
