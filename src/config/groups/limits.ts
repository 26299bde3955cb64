import { integer, milliseconds } from '../values.js';

/** What callers can make a node hold or do. */
export const limits = {
  CONNECTIONS_MAX: integer(0).default(100_000).describe('maximum Socket.IO connections of one node; 0: unlimited'),
  ADDRESS_CONNECTIONS_MAX: integer(0)
    .optional()
    .describe(
      'maximum Socket.IO connections of one address on one machine; 0: unlimited; unset: 10000, and unlimited for private addresses unless TRUST_PROXY is set',
    ),
  ADMISSION_PER_SECOND: integer(0)
    .optional()
    .describe(
      'maximum new Socket.IO connections of one node in a second; 0: unlimited; unset: derived from the lag of the event loop',
    ),
  CONNECT_TIMEOUT_MS: milliseconds(100)
    .default(10_000)
    .describe('time until a connection that is in no namespace is closed'),
  BODY_LIMIT: integer(1).default(1_048_576).describe('largest REST body in bytes'),
  HTTP_IDLE_MAX: integer(1)
    .default(10_000)
    .describe('maximum HTTP connections without a request; beyond it the oldest is closed'),
  SOCKET_MESSAGE_MAX: integer(1024).default(1_048_576).describe('maximum frame size of a client in bytes'),
  SOCKET_OPEN_MAX: integer(1024)
    .default(32_768)
    .describe('maximum frame size of an unauthenticated client in bytes; must exceed the largest token'),
  SOCKET_BUFFER_MAX: integer(1024)
    .default(1_048_576)
    .describe('maximum bytes buffered for a slow client; beyond it the connection is closed'),
  REFUSED_CONNECTS_MAX: integer(0)
    .default(2000)
    .describe('maximum refused CONNECTs of one address in 10 s on one machine; 0: unlimited'),
  EVENT_LIMIT: integer(1)
    .default(300)
    .describe(
      'maximum points of one user in EVENT_LIMIT_WINDOW_MS, over all sockets: 1 for each event, more for large ones',
    ),
  EVENT_LIMIT_WINDOW_MS: milliseconds(1000).default(10_000).describe('window of EVENT_LIMIT, rounded up to seconds'),
  EVENT_TIMEOUT_MS: milliseconds(1000)
    .default(20_000)
    .describe(
      'time limit of an event, after which it fails with UNAVAILABLE; four times as long with a file; must exceed the MongoDB time limits',
    ),
};
