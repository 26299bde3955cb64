import { type Logger, pino } from 'pino';
import { PinoPretty } from 'pino-pretty';

export type { Logger };

/** Keys whose values never reach the log, wherever they stand in the first two levels of a record. */
const SECRET_KEYS = [
  ...['token', 'access_token', 'refresh_token', 'session_id', 'secret', 'password', 'apiKey', 'api_key'],
  ...['authorization', 'cookie', '["x-api-key"]', '["x-token"]', 'payload', 'data', 'body', 'query', 'auth'],
];
const at = (prefix: string, key: string): string => (key.startsWith('[') ? `${prefix}${key}` : `${prefix}.${key}`);

/**
 * Structured logs: one JSON object a line in production, readable lines elsewhere. Callers log names, codes and ids;
 * the redaction is the second line of defence for tokens, keys and payloads.
 */
export function createLogger(options: { level: string; isPretty: boolean }): Logger {
  const redact = { paths: SECRET_KEYS.flatMap((key) => [key, at('*', key), at('*.*', key)]) };
  const settings = { level: options.level, redact: { ...redact, censor: '[redacted]' } };
  return options.isPretty
    ? pino(settings, PinoPretty({ sync: true, ignore: 'pid,hostname', translateTime: 'HH:MM:ss' }))
    : pino(settings);
}
