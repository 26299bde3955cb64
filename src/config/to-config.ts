import { hostname } from 'node:os';
import type { z } from 'zod';
import type { environment } from './groups/index.js';
import { toConsoleKey } from './secrets.js';
import type { Site } from './sites.js';

/** The gateway's settings: read once, frozen, and passed to the parts that need them. */
export type Config = ReturnType<typeof toConfig>;

/**
 * Share of the event time limit that an event may wait for other events on the same documents. The default equals the
 * time those may wait for an election; the rest is for the event's own work.
 */
const TURN_SHARE = 0.75;

type Variables = z.output<typeof environment>;

/**
 * Groups the parsed environment by what uses it. Adds what follows from several variables, and converts seconds to
 * milliseconds.
 */
export function toConfig(variables: Variables, sites: readonly Site[]) {
  return Object.freeze({
    isProduction: variables.NODE_ENV === 'production',
    logLevel: variables.LOG_LEVEL,
    nodeName: variables.NODE_NAME ?? `${hostname()}-${process.pid}`,
    /** Processes that serve; 1: this one. */
    workers: variables.WORKERS,
    tracing: { endpoint: variables.OTEL_EXPORTER_OTLP_ENDPOINT, serviceName: variables.OTEL_SERVICE_NAME },
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
      admissionPerSecond: variables.ADMISSION_PER_SECOND,
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
      /** HS256 secrets of the user tokens. Any of them is accepted; the first one signs. Empty: a generated one. */
      jwtSecrets: [...(variables.JWT_SECRET === undefined ? [] : [variables.JWT_SECRET]), ...variables.JWT_SECRETS],
      jwksUrl: variables.JWKS_URL,
      expected: {
        issuers: variables.JWT_ISSUER,
        audiences: variables.JWT_AUDIENCE.filter((audience) => audience !== '*'),
        clockToleranceMs: variables.JWT_CLOCK_TOLERANCE_S * 1000,
      },
      apiKeys: variables.EMIT_API_KEYS,
      isRestOpen: variables.EMIT_AUTH === 'none',
    },
    console: {
      isOn: (variables.CONSOLE ?? (variables.NODE_ENV === 'production' ? 'off' : 'on')) === 'on',
      keys: variables.CONSOLE_KEYS.map(toConsoleKey),
      hasPayloads: variables.CONSOLE_PAYLOADS === 'on',
    },
    storage: {
      directory: variables.DATA_DIR,
      mongodbUrl: variables.MONGODB_URL,
      poolMax: variables.MONGODB_POOL_MAX,
      selectionTimeoutMs: variables.MONGODB_SELECTION_TIMEOUT_MS,
      operationTimeoutMs: variables.MONGODB_TIMEOUT_MS,
    },
    redis: {
      url: variables.REDIS_URL,
      prefix: variables.REDIS_PREFIX,
      /** Paths. */
      tlsFiles: {
        ca: variables.REDIS_TLS_CA_FILE,
        cert: variables.REDIS_TLS_CERT_FILE,
        key: variables.REDIS_TLS_KEY_FILE,
      },
    },
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
