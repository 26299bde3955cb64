import { type DestinationStream, type Logger, pino, stdSerializers } from 'pino';
import { PinoPretty } from 'pino-pretty';

export type { Logger };

/** Keys whose values are redacted, in the first two levels of a record. */
const SECRET_KEYS = [
  ...['token', 'access_token', 'refresh_token', 'session_id', 'secret', 'password', 'apiKey', 'api_key'],
  ...['authorization', 'cookie', '["x-api-key"]', '["x-token"]', 'payload', 'data', 'body', 'query', 'auth'],
];
const at = (prefix: string, key: string): string => (key.startsWith('[') ? `${prefix}${key}` : `${prefix}.${key}`);

/**
 * Structured logs: one JSON object per line in production, readable lines elsewhere. Callers log names, codes and ids;
 * redaction is a second line of defence for tokens, keys and payloads.
 * @param destination instead of standard output, for JSON
 */
export function createLogger(options: { level: string; isPretty: boolean }, destination?: DestinationStream): Logger {
  const redact = { paths: SECRET_KEYS.flatMap((key) => [key, at('*', key), at('*.*', key)]) };
  const settings = {
    level: options.level,
    redact: { ...redact, censor: '[redacted]' },
    serializers: { err: toLoggedError },
  };
  return options.isPretty
    ? pino(settings, PinoPretty({ sync: true, ignore: 'pid,hostname', translateTime: 'HH:MM:ss' }))
    : pino(settings, destination);
}

/**
 * Reduces an error to message, code and stack. Database errors carry the topology or all documents of a bulk write,
 * which are long and may contain user data.
 */
function toLoggedError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { type, message, stack, code, codeName, errorLabels } = stdSerializers.err(error) as Record<string, unknown>;
  const { info } = error as { info?: unknown };
  return { type, message, code, codeName, errorLabels, info, stack };
}
