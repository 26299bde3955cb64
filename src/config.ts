import { z } from 'zod';
import { OriginError, toOrigins } from './config/origins.js';
import { secretProblems } from './config/secrets.js';
import { type FileSettings, readSettings } from './config/settings.js';
import { readSites, type Site } from './config/sites.js';
import { parseMongoUrl } from './platform/mongo/url.js';
import { redisPrefixProblem, redisUrlProblem } from './platform/redis/url.js';

/**
 * Environment variables of the gateway: format, default, and description. A test compares `.env.example` with this
 * table. An empty value counts as absent.
 */
export const environment = z.object({
  NODE_ENV: z
    .enum(['development', 'production', 'test'])
    .default('development')
    .describe('production refuses to start without secrets'),
  PORT: integer(0, 65_535).default(4000).describe('port of HTTP and Socket.IO; 0: a free port'),
  HOST: z.string().default('0.0.0.0').describe('address to listen on'),
  DATA_DIR: z.string().default('data').describe('directory of the embedded database and the development secret'),
  MONGODB_URL: mongoUrl().optional().describe('connection string of MongoDB; unset: the embedded database'),
  MONGODB_POOL_MAX: integer(1, 10_000).default(100).describe('connection pool size per MongoDB server'),
  MONGODB_SELECTION_TIMEOUT_MS: integer(1)
    .default(15_000)
    .describe('time limit for a primary or a free connection; must be longer than an election'),
  MONGODB_TIMEOUT_MS: integer(100)
    .default(15_000)
    .describe('time limit of one read or write in MongoDB, including the wait for a majority'),
  REDIS_URL: z
    .string()
    .trim()
    .superRefine(report(redisUrlProblem))
    .optional()
    .describe('URL of Redis; unset: one node, with its state in memory'),
  REDIS_PREFIX: z
    .string()
    .superRefine(report(redisPrefixProblem))
    .default('general-socket')
    .describe('prefix of all Redis keys and channels'),
  STARTUP_TIMEOUT_MS: integer(1000)
    .default(30_000)
    .describe('time limit for MongoDB and Redis to become ready at start'),

  JWT_SECRET: z.string().optional().describe('HS256 secret of the user tokens; unset in development: generated once'),
  JWKS_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('JWKS with the public keys (RS256, ES256 …) of the user tokens, instead of JWT_SECRET'),
  JWT_ISSUER: list().describe('accepted issuers (claim iss), comma-separated; empty: any'),
  JWT_AUDIENCE: list()
    .refine((items) => !items.includes('*') || items.length === 1, '* cannot be combined with other values')
    .describe('accepted audiences (claim aud), comma-separated; empty or *: any'),
  JWT_CLOCK_TOLERANCE_S: integer(0, 300).default(5).describe('clock tolerance for exp and nbf in seconds'),
  EMIT_API_KEYS: list().describe('API keys of backends for REST, comma-separated; any of them is accepted'),
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
  TRUST_PROXY: integer(0).default(0).describe('number of trusted reverse proxies (X-Forwarded-For)'),
  BODY_LIMIT: integer(1).default(1_048_576).describe('largest REST body in bytes'),
  HTTP_KEEP_ALIVE_MS: integer(1000)
    .default(75_000)
    .describe('time until an idle HTTP connection is closed; must be longer than that of the load balancer'),
  HTTP_IDLE_MAX: integer(1)
    .default(10_000)
    .describe('maximum HTTP connections without a request; beyond it the oldest is closed'),

  SOCKET_TRANSPORTS: list(['websocket', 'polling'])
    .prefault('websocket')
    .describe('websocket, or websocket,polling (polling needs sticky sessions)'),
  CONNECTIONS_MAX: integer(0).default(100_000).describe('maximum Socket.IO connections of one node; 0: unlimited'),
  ADDRESS_CONNECTIONS_MAX: integer(0)
    .optional()
    .describe(
      'maximum Socket.IO connections of one address on one node; 0: unlimited; unset: 10000, and unlimited for private addresses unless TRUST_PROXY is set',
    ),
  CONNECT_TIMEOUT_MS: integer(100)
    .default(10_000)
    .describe('time until a connection that is in no namespace is closed'),
  SOCKET_MESSAGE_MAX: integer(1024).default(1_048_576).describe('maximum frame size of a client in bytes'),
  SOCKET_OPEN_MAX: integer(1024)
    .default(32_768)
    .describe('maximum frame size of an unauthenticated client in bytes; must exceed the largest token'),
  REFUSED_CONNECTS_MAX: integer(0)
    .default(2000)
    .describe('maximum refused CONNECTs of one address in 10 s on one node; 0: unlimited'),
  SOCKET_BUFFER_MAX: integer(1024)
    .default(1_048_576)
    .describe('maximum bytes buffered for a slow client; beyond it the connection is closed'),
  ALLOW_EIO3: z
    .enum(['true', 'false'])
    .default('false')
    .describe('true: also accepts clients of Socket.IO 2; most of them need polling in SOCKET_TRANSPORTS'),
  COMPRESSION_THRESHOLD: integer(0)
    .default(0)
    .describe('size in bytes above which frames to clients are compressed; 0: never'),
  PING_INTERVAL_MS: integer(100).default(25_000).describe('time between heartbeats'),
  PING_TIMEOUT_MS: integer(100).default(20_000).describe('time limit for the answer to a heartbeat'),
  EVENT_LIMIT: integer(1)
    .default(300)
    .describe(
      'maximum points of one user in EVENT_LIMIT_WINDOW_MS, over all sockets: 1 for each event, more for large ones',
    ),
  EVENT_LIMIT_WINDOW_MS: integer(1000, 86_400_000)
    .default(10_000)
    .describe('window of EVENT_LIMIT, rounded up to seconds'),
  EVENT_TIMEOUT_MS: integer(1000)
    .default(20_000)
    .describe(
      'time limit of an event, after which it fails with UNAVAILABLE; four times as long with a file; must exceed the MongoDB time limits',
    ),
  PRESENCE_GRACE_MS: integer(0).default(5000).describe('time after the last disconnect until a user counts as offline'),

  DEVICE_TTL: integer(0).default(3600).describe('seconds the queue of a disconnected device is kept; 0: forever'),
  MAILBOX_MAX: integer(1)
    .default(10_000)
    .describe('maximum queued messages of one device; beyond it the oldest are dropped'),
  RECEIPT_TTL: integer(1).default(3600).describe('seconds the state of a finished durable emit can be queried'),

  MESSAGE_LIMIT: integer(1).default(50).describe('maximum messages of one user per minute in the support chat'),
  MAX_FILE_SIZE: integer(1, 104_857_600).default(10_485_760).describe('maximum file size of the support chat in bytes'),
  FILE_QUOTA: integer(0)
    .default(1_073_741_824)
    .describe('maximum bytes of all files of one user of the support chat; 0: unlimited'),
  UNSENT_FILE_TTL: integer(60).default(86_400).describe('seconds an uploaded file is kept without being sent'),
  MESSAGE_BATCH_SIZE: integer(1, 1000)
    .optional()
    .describe('maximum messages of the support chat in one write; unset, as MESSAGE_BATCH_MS: no batching'),
  MESSAGE_BATCH_MS: integer(0, 1000)
    .optional()
    .describe('maximum time until a batch is written; if only one of the two is set: 10 messages or 100 ms'),

  SITE_NAME: z
    .string()
    .optional()
    .describe('name of a push site, with the namespace /SITE_NAME; for several see SITES_FILE'),
  AUTH_URL: z.string().optional().describe('URL whose GET returns the rooms of the holder of the token'),
  AUTH_SCHEME: z.string().default('Bearer').describe('scheme of the Authorization header sent to AUTH_URL'),
  API_KEY: z.string().optional().describe('API key of the site'),
  USER_ROOM_PREFIX: z.string().optional().describe('prefix of the rooms of single users; unset: no message is stored'),
  UPDATE_USER_URL: z
    .string()
    .optional()
    .describe('URL called by PUT when a user connects or disconnects; :id is replaced by the user id'),
  PUBLIC_CHANNEL: z.string().optional().describe('room that clients without a token receive'),
  SITES_FILE: z.string().default('sites.yml').describe('file with the push sites'),
  CONFIG_FILE: z
    .string()
    .default('config.yml')
    .describe('file with settings by NODE_ENV; environment variables take precedence'),
  PUSH_AFTER_MS: integer(0, 604_800_000)
    .default(10_000)
    .describe('time until an unacknowledged durable message is sent as a push notification'),
  FIREBASE_SERVICE_ACCOUNT: z
    .string()
    .optional()
    .describe('Firebase service account, as JSON or a path; unset: push is off'),
  GOOGLE_APPLICATION_CREDENTIALS: z
    .string()
    .optional()
    .describe('path of Google credentials, instead of FIREBASE_SERVICE_ACCOUNT'),

  SHUTDOWN_TIMEOUT_MS: integer(1).default(10_000).describe('time limit of a graceful shutdown'),
  SHUTDOWN_DRAIN_MS: integer(0).default(3000).describe('time over which clients are disconnected in waves at shutdown'),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('minimum level of log lines'),
});

function integer(minimum: number, maximum: number = Number.MAX_SAFE_INTEGER) {
  return z.coerce.number({ error: 'must be a number' }).int().min(minimum).max(maximum);
}

/** A URL that the driver accepts. Errors quote the driver, without the password. */
function mongoUrl() {
  return z.string().superRefine((text, context) => {
    try {
      parseMongoUrl(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
    }
  });
}

/** Reports a problem of a value as a problem of its variable. */
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

/** The configuration is invalid. The message names every invalid variable and its problem. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/**
 * Reads the configuration from the environment and the configuration files.
 * @throws ConfigError naming all invalid variables
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
    throw new ConfigError(`The configuration is invalid:\n${problems.map((line) => `  ${line}`).join('\n')}`);
  }
  return toConfig(parsed.data, sites);
}

/** An empty value counts as absent. */
const isSet = (pair: [string, string | undefined]): pair is [string, string] => pair[1] !== undefined && pair[1] !== '';

const toLine = ({ path, message }: z.core.$ZodIssue, { placeOf }: FileSettings): string =>
  `${placeOf(path.join('.'))}: ${message}`;

/**
 * Share of the event time limit that an event may wait for other events on the same documents. The default equals the
 * time those may wait for an election; the rest is for the event's own work.
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
      // Reads frames slightly above the limits, so that they get an error instead of closing the connection.
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

/** Batching is off unless one of the two variables is set. */
function toBatch({ MESSAGE_BATCH_SIZE: size, MESSAGE_BATCH_MS: afterMs }: Variables) {
  return size === undefined && afterMs === undefined ? undefined : { size: size ?? 10, afterMs: afterMs ?? 100 };
}
