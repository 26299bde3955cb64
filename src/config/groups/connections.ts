import { choice, integer, list, milliseconds } from '../values.js';

/** How connections are kept. */
export const connections = {
  SOCKET_TRANSPORTS: list(['websocket', 'polling'])
    .prefault('websocket')
    .describe('websocket, or websocket,polling (polling needs sticky sessions)'),
  ALLOW_EIO3: choice(['true', 'false'])
    .default('false')
    .describe('true: also accepts clients of Socket.IO 2; most of them need polling in SOCKET_TRANSPORTS'),
  COMPRESSION_THRESHOLD: integer(0)
    .default(0)
    .describe('size in bytes above which frames to clients are compressed; 0: never'),
  PING_INTERVAL_MS: milliseconds(100).default(25_000).describe('time between heartbeats'),
  PING_TIMEOUT_MS: milliseconds(100).default(20_000).describe('time limit for the answer to a heartbeat'),
  PRESENCE_GRACE_MS: milliseconds(0)
    .default(5000)
    .describe('time after the last disconnect until a user counts as offline'),
  HTTP_KEEP_ALIVE_MS: milliseconds(1000)
    .default(75_000)
    .describe('time until an idle HTTP connection is closed; must be longer than that of the load balancer'),
};
