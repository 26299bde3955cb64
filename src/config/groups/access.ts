import { z } from 'zod';
import { choice, httpUrl, integer, list, origins, secretList } from '../values.js';

/** Who may connect and call. */
export const access = {
  JWT_SECRET: z.string().optional().describe('HS256 secret of the user tokens; unset in development: generated once'),
  JWT_SECRETS: secretList().describe(
    'further secrets that are accepted, comma-separated; removed ones are refused without a restart',
  ),
  JWKS_URL: httpUrl()
    .optional()
    .describe('JWKS with the public keys (RS256, ES256 …) of the user tokens, instead of JWT_SECRET'),
  JWT_ISSUER: list().describe('accepted issuers (claim iss), comma-separated; empty: any'),
  JWT_AUDIENCE: list()
    .refine((items) => !items.includes('*') || items.length === 1, '* cannot be combined with other values')
    .describe('accepted audiences (claim aud), comma-separated; empty or *: any'),
  JWT_CLOCK_TOLERANCE_S: integer(0, 300).default(5).describe('clock tolerance for exp and nbf in seconds'),
  EMIT_API_KEYS: secretList().describe('API keys of backends for REST, comma-separated; any of them is accepted'),
  EMIT_AUTH: choice(['keys', 'none'])
    .default('keys')
    .describe('none: REST is open to anyone who can reach it; only for private networks'),
  CONSOLE: choice(['on', 'off']).optional().describe('the console at /console; unset: on, and off in production'),
  CONSOLE_KEYS: secretList().describe(
    'keys of the console, comma-separated name:access:key with the access read or act; API keys may act too',
  ),
  CONSOLE_PAYLOADS: choice(['on', 'off'])
    .default('off')
    .describe('on: the console shows payloads of events and messages'),
  CORS_ORIGINS: origins().describe('origins that may connect, comma-separated; empty or *: any'),
  TRUST_PROXY: integer(0).default(0).describe('number of trusted reverse proxies (X-Forwarded-For)'),
};
