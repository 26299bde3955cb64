import { z } from 'zod';
import { OriginError, toOrigins } from './config/origins.js';
import { secretProblems } from './config/secrets.js';
import { type FileSettings, readSettings } from './config/settings.js';
import { readSites, type Site } from './config/sites.js';
import { parseMongoUrl } from './platform/mongo/url.js';
import { redisPrefixProblem, redisUrlProblem } from './platform/redis/url.js';

/**
 * Every variable of the environment the gateway reads: its form, its default, and what it is for.
 * `.env.example` is compared with this table by a test. An empty value counts as absent.
 */
export const environment = z.object({
  NODE_ENV: z
    .enum(['development', 'production', 'test'])
    .default('development')
    .describe('production refuses to start without secrets'),
  PORT: integer(0, 65_535).default(4000).describe('port of HTTP and Socket.IO; 0 picks a free one'),
  HOST: z.string().default('0.0.0.0').describe('address to listen on'),
  DATA_DIR: z.string().default('data').describe('where the embedded database and the development secret live'),
  MONGODB_URL: mongoUrl()
    .optional()
    .describe('connection string of MongoDB, as the driver takes it; unset: the embedded database'),
  MONGODB_POOL_MAX: integer(1, 10_000)
    .default(100)
    .describe('connections that one node opens to each server of MongoDB'),
  MONGODB_SELECTION_TIMEOUT_MS: integer(1)
    .default(15_000)
    .describe('how long an operation waits for a primary or a free connection; longer than an election takes'),
  MONGODB_TIMEOUT_MS: integer(100)
    .default(15_000)
    .describe('how long MongoDB may work on one read or write, or wait for a majority to have it'),
  REDIS_URL: z
    .string()
    .trim()
    .superRefine(report(redisUrlProblem))
    .optional()
    .describe('Redis; unset: one node, everything in memory'),
  REDIS_PREFIX: z
    .string()
    .superRefine(report(redisPrefixProblem))
    .default('general-socket')
    .describe('first part of every Redis key and channel'),
  STARTUP_TIMEOUT_MS: integer(1000).default(30_000).describe('how long to wait for MongoDB and Redis at the start'),

  JWT_SECRET: z.string().optional().describe('HS256 secret of the user tokens; unset in development: made once'),
  JWKS_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('public keys (RS256, ES256 …) of the user tokens, instead of JWT_SECRET'),
  JWT_ISSUER: list().describe('issuers whose tokens are taken, comma-separated (claim iss); empty: any'),
  JWT_AUDIENCE: list()
    .refine((items) => !items.includes('*') || items.length === 1, 'with * there is nothing else to name')
    .describe('audiences of which a token must name one, comma-separated (claim aud); empty or *: any'),
  JWT_CLOCK_TOLERANCE_S: integer(0, 300)
    .default(5)
    .describe('seconds that the clocks of issuers may be off: how much later exp, and earlier nbf, is taken'),
  EMIT_API_KEYS: list().describe('keys of the backends that may call REST, comma-separated; any of them is accepted'),
  EMIT_AUTH: z
    .enum(['keys', 'none'])
    .default('keys')
    .describe('none: REST is open to anyone who can reach it; only for private networks'),

  CORS_ORIGINS: z
    .string()
    .default('')
    .transform((text, context) => {
      try {
        return toOrigins(text);
      } catch (error) {
        if (!(error instanceof OriginError)) throw error;
        context.addIssue({ code: 'custom', message: error.message });
        return z.NEVER;
      }
    })
    .describe('origins that may connect, comma-separated; empty or *: any'),
  TRUST_PROXY: integer(0).default(0).describe('number of reverse proxies in front, whose X-Forwarded-For is believed'),
  BODY_LIMIT: integer(1).default(1_048_576).describe('largest REST body in bytes'),
  HTTP_KEEP_ALIVE_MS: integer(1000)
    .default(75_000)
    .describe('how long an idle HTTP connection is kept; longer than the load balancer in front keeps it'),
  HTTP_IDLE_MAX: integer(1)
    .default(10_000)
    .describe('HTTP connections without a request; beyond that the one that waited longest is closed'),

  SOCKET_TRANSPORTS: list(['websocket', 'polling'])
    .prefault('websocket')
    .describe('websocket, or websocket,polling (polling needs sticky sessions)'),
  CONNECTIONS_MAX: integer(0).default(100_000).describe('Socket.IO connections of one node; 0: any number'),
  ADDRESS_CONNECTIONS_MAX: integer(0)
    .optional()
    .describe(
      'Socket.IO connections of one address on one node; 0: any number; unset: 10000, and for private addresses any number unless TRUST_PROXY is set',
    ),
  CONNECT_TIMEOUT_MS: integer(100)
    .default(10_000)
    .describe('how long a connection may be in no namespace before it is closed'),
  SOCKET_MESSAGE_MAX: integer(1024).default(1_048_576).describe('largest frame of a client in bytes'),
  SOCKET_OPEN_MAX: integer(1024)
    .default(32_768)
    .describe('largest frame of a client that has shown no token yet, in bytes; must hold the largest token'),
  REFUSED_CONNECTS_MAX: integer(0)
    .default(2000)
    .describe('CONNECTs of one address that may be refused in 10 s, on one node; 0: any number'),
  SOCKET_BUFFER_MAX: integer(1024).default(1_048_576).describe('bytes waiting for a slow client before it is closed'),
  ALLOW_EIO3: z
    .enum(['true', 'false'])
    .default('false')
    .describe('true: clients of Socket.IO 2 are let in too; most of them need polling among SOCKET_TRANSPORTS'),
  COMPRESSION_THRESHOLD: integer(0).default(0).describe('bytes above which frames to clients are compressed; 0: never'),
  PING_INTERVAL_MS: integer(100).default(25_000).describe('time between heartbeats'),
  PING_TIMEOUT_MS: integer(100).default(20_000).describe('how long a heartbeat may stay unanswered'),
  EVENT_LIMIT: integer(1).default(300).describe('events one user may send in EVENT_LIMIT_WINDOW_MS, over all sockets'),
  EVENT_LIMIT_WINDOW_MS: integer(1000, 86_400_000)
    .default(10_000)
    .describe('window of EVENT_LIMIT, rounded up to seconds'),
  EVENT_TIMEOUT_MS: integer(1000)
    .default(20_000)
    .describe(
      'how long an event may take before it is answered with UNAVAILABLE, with a file four times as long; longer than the waits for MongoDB',
    ),
  PRESENCE_GRACE_MS: integer(0).default(5000).describe('how long a user may be gone before they count as offline'),

  DEVICE_TTL: integer(0).default(3600).describe('seconds the queue of a device that is gone is kept; 0: for ever'),
  MAILBOX_MAX: integer(1)
    .default(10_000)
    .describe('messages that may wait for one device; beyond that the oldest are lost'),
  RECEIPT_TTL: integer(1).default(3600).describe('seconds the state of a durable emit can be asked for after its end'),

  MESSAGE_LIMIT: integer(1).default(50).describe('messages one user may send in the support chat in a minute'),
  MAX_FILE_SIZE: integer(1, 104_857_600).default(10_485_760).describe('largest file of the support chat in bytes'),
  FILE_QUOTA: integer(0)
    .default(1_073_741_824)
    .describe('bytes that the files of one user of the support chat may take; 0: any number'),
  UNSENT_FILE_TTL: integer(60).default(86_400).describe('seconds a file is kept that was sent to no conversation'),
  MESSAGE_BATCH_SIZE: integer(1, 1000)
    .optional()
    .describe('messages of the support chat that are stored by one write; unset, as MESSAGE_BATCH_MS: each at once'),
  MESSAGE_BATCH_MS: integer(0, 1000)
    .optional()
    .describe('how long a message may wait for others to be stored with; 10 messages or 100 ms when only one is set'),

  SITE_NAME: z.string().optional().describe('a push site, whose namespace is /SITE_NAME; several: see SITES_FILE'),
  AUTH_URL: z.string().optional().describe('answers GET with the list of rooms of the holder of the token'),
  AUTH_SCHEME: z.string().default('Bearer').describe('first word of the Authorization header that AUTH_URL gets'),
  API_KEY: z.string().optional().describe('key by which the site sends'),
  USER_ROOM_PREFIX: z.string().optional().describe('prefix of the rooms of single users; unset: no message is stored'),
  UPDATE_USER_URL: z.string().optional().describe('told by PUT when a user comes or goes; :id stands for the user'),
  PUBLIC_CHANNEL: z.string().optional().describe('room that clients without a token receive'),
  SITES_FILE: z.string().default('sites.yml').describe('the push sites, when there are several'),
  CONFIG_FILE: z.string().default('config.yml').describe('settings by NODE_ENV; the environment wins over it'),
  PUSH_AFTER_MS: integer(0, 604_800_000)
    .default(10_000)
    .describe('how long a durable message with push may stay unacknowledged before it is shown by push'),
  FIREBASE_SERVICE_ACCOUNT: z
    .string()
    .optional()
    .describe('service account of Firebase, as JSON or the path of it; unset: push is off'),
  GOOGLE_APPLICATION_CREDENTIALS: z
    .string()
    .optional()
    .describe("path of credentials as Google's libraries take them, instead of FIREBASE_SERVICE_ACCOUNT"),

  SHUTDOWN_TIMEOUT_MS: integer(1).default(10_000).describe('hard limit of a graceful stop'),
  SHUTDOWN_DRAIN_MS: integer(0).default(3000).describe('over how long clients are let go in waves'),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('what the log says'),
});

function integer(minimum: number, maximum: number = Number.MAX_SAFE_INTEGER) {
  return z.coerce.number({ error: 'must be a number' }).int().min(minimum).max(maximum);
}

/** Any URL that the driver accepts; errors use its words, without the password. */
function mongoUrl() {
  return z.string().superRefine((text, context) => {
    try {
      parseMongoUrl(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
    }
  });
}

/** Makes a problem of a value one of its variable. */
function report(problemOf: (value: string) => string | undefined) {
  return (value: string, context: z.RefinementCtx): void => {
    const message = problemOf(value);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  };
}

function list(allowed?: readonly string[]) {
  return z
    .string()
    .default('')
    .transform((text) => text.split(',').map((item) => item.trim()))
    .transform((items) => items.filter((item) => item !== ''))
    .refine((items) => allowed === undefined || items.every((item) => allowed.includes(item)), {
      error: `may hold only ${allowed?.join(', ')}`,
    });
}

/** The gateway's settings: read once, frozen, and passed to the parts that need them. */
export type Config = ReturnType<typeof toConfig>;

/** The environment is unusable. The message names every bad variable and what to do about each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/**
 * Reads the settings: the environment, and the files beside it.
 * @throws ConfigError naming all bad variables at once
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const present = Object.fromEntries(Object.entries(env).filter(isSet));
  const settings = readSettings(present, (name) => Object.hasOwn(environment.shape, name));
  const variables = { ...settings.variables, ...present };
  const parsed = environment.safeParse(variables);
  const { sites, problems: siteProblems } = readSites(variables);
  const problems = [
    ...settings.problems,
    ...(parsed.success ? [] : parsed.error.issues.map((issue) => toLine(issue, settings))),
    ...secretProblems(variables).map(([name, problem]) => `${settings.placeOf(name)}: ${problem}`),
    ...siteProblems,
  ];
  if (!parsed.success || problems.length > 0) {
    throw new ConfigError(`The environment needs attention:\n${problems.map((line) => `  ${line}`).join('\n')}`);
  }
  return toConfig(parsed.data, sites);
}

/** An empty value counts as absent. */
const isSet = (pair: [string, string | undefined]): pair is [string, string] => pair[1] !== undefined && pair[1] !== '';

const toLine = ({ path, message }: z.core.$ZodIssue, { placeOf }: FileSettings): string =>
  `${placeOf(path.join('.'))}: ${message}`;

/**
 * The part of its time that an event may wait for others on the same documents. By default as long as those wait for an
 * election; what is left is for the work itself.
 */
const TURN_SHARE = 0.75;

type Variables = z.output<typeof environment>;

function toConfig(variables: Variables, sites: readonly Site[]) {
  return Object.freeze({
    isProduction: variables.NODE_ENV === 'production',
    logLevel: variables.LOG_LEVEL,
    startupTimeoutMs: variables.STARTUP_TIMEOUT_MS,
    http: {
      host: variables.HOST,
      port: variables.PORT,
      corsOrigins: variables.CORS_ORIGINS,
      trustedProxies: variables.TRUST_PROXY,
      bodyLimitBytes: variables.BODY_LIMIT,
      keepAliveMs: variables.HTTP_KEEP_ALIVE_MS,
      idleMax: variables.HTTP_IDLE_MAX,
    },
    sockets: {
      transports: variables.SOCKET_TRANSPORTS as ('websocket' | 'polling')[],
      messageMaxBytes: variables.SOCKET_MESSAGE_MAX,
      connectionsMax: variables.CONNECTIONS_MAX,
      addressConnectionsMax: variables.ADDRESS_CONNECTIONS_MAX,
      connectTimeoutMs: variables.CONNECT_TIMEOUT_MS,
      refusedMax: variables.REFUSED_CONNECTS_MAX,
      openMaxBytes: Math.min(variables.SOCKET_OPEN_MAX, variables.SOCKET_MESSAGE_MAX),
      compressionThreshold: variables.COMPRESSION_THRESHOLD,
      bufferMaxBytes: variables.SOCKET_BUFFER_MAX,
      allowsOldClients: variables.ALLOW_EIO3 === 'true',
      pingIntervalMs: variables.PING_INTERVAL_MS,
      pingTimeoutMs: variables.PING_TIMEOUT_MS,
      limit: { points: variables.EVENT_LIMIT, windowMs: variables.EVENT_LIMIT_WINDOW_MS },
      eventTimeoutMs: variables.EVENT_TIMEOUT_MS,
      turnWaitMs: TURN_SHARE * variables.EVENT_TIMEOUT_MS,
      presenceGraceMs: variables.PRESENCE_GRACE_MS,
    },
    auth: {
      jwtSecret: variables.JWT_SECRET,
      jwksUrl: variables.JWKS_URL,
      expected: {
        issuers: variables.JWT_ISSUER,
        audiences: variables.JWT_AUDIENCE.filter((audience) => audience !== '*'),
        clockToleranceMs: variables.JWT_CLOCK_TOLERANCE_S * 1000,
      },
      apiKeys: variables.EMIT_API_KEYS,
      isRestOpen: variables.EMIT_AUTH === 'none',
    },
    storage: {
      directory: variables.DATA_DIR,
      mongodbUrl: variables.MONGODB_URL,
      poolMax: variables.MONGODB_POOL_MAX,
      selectionTimeoutMs: variables.MONGODB_SELECTION_TIMEOUT_MS,
      operationTimeoutMs: variables.MONGODB_TIMEOUT_MS,
    },
    redis: { url: variables.REDIS_URL, prefix: variables.REDIS_PREFIX },
    delivery: {
      deviceTtlMs: variables.DEVICE_TTL * 1000,
      mailboxMax: variables.MAILBOX_MAX,
      receiptTtlMs: variables.RECEIPT_TTL * 1000,
    },
    support: {
      messageLimit: { points: variables.MESSAGE_LIMIT, windowMs: 60_000 },
      fileMaxBytes: variables.MAX_FILE_SIZE,
      fileQuotaBytes: variables.FILE_QUOTA,
      unsentFileTtlMs: variables.UNSENT_FILE_TTL * 1000,
      // What is a little too large is still read, so that it can be answered instead of ending the connection.
      frameMaxBytes: Math.max(variables.SOCKET_MESSAGE_MAX, 2 * variables.MAX_FILE_SIZE),
      messageBatch: toBatch(variables),
    },
    sites,
    push: {
      afterMs: variables.PUSH_AFTER_MS,
      serviceAccount: variables.FIREBASE_SERVICE_ACCOUNT,
      credentialsPath: variables.GOOGLE_APPLICATION_CREDENTIALS,
    },
    shutdown: { timeoutMs: variables.SHUTDOWN_TIMEOUT_MS, drainMs: variables.SHUTDOWN_DRAIN_MS },
  });
}

/** Off unless one of its two variables is set. */
function toBatch({ MESSAGE_BATCH_SIZE: size, MESSAGE_BATCH_MS: afterMs }: Variables) {
  return size === undefined && afterMs === undefined ? undefined : { size: size ?? 10, afterMs: afterMs ?? 100 };
}
