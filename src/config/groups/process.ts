import { choice, httpUrl, integer, milliseconds, text, workerCount } from '../values.js';

/** The process: its mode, address, log, start and stop. */
export const gatewayProcess = {
  NODE_ENV: choice(['development', 'production', 'test'])
    .default('development')
    .describe('production refuses to start without secrets'),
  PORT: integer(0, 65_535).default(4000).describe('port of HTTP and Socket.IO; 0: a free port'),
  HOST: text().default('0.0.0.0').describe('address to listen on'),
  WORKERS: workerCount()
    .default(1)
    .describe(
      'gateways on this machine behind PORT; auto: one for each core; more than 1 needs REDIS_URL and MONGODB_URL',
    ),
  NODE_NAME: text(128).optional().describe('name of this node in its log lines; unset: host name and process id'),
  LOG_LEVEL: choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('minimum level of log lines'),
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl()
    .optional()
    .describe('base URL of an OpenTelemetry receiver (OTLP over HTTP) for traces; unset: no traces'),
  OTEL_SERVICE_NAME: text().default('general-socket').describe('name of the service in traces'),
  STARTUP_TIMEOUT_MS: milliseconds(1000)
    .default(30_000)
    .describe('time limit for MongoDB and Redis to become ready at start'),
  SHUTDOWN_DRAIN_MS: milliseconds(0)
    .default(3000)
    .describe('time over which clients are disconnected in waves at shutdown'),
  SHUTDOWN_TIMEOUT_MS: milliseconds(1).default(10_000).describe('time limit of a graceful shutdown'),
  CONFIG_FILE: text()
    .default('config.yml')
    .describe('file with settings by NODE_ENV; environment variables take precedence'),
};
