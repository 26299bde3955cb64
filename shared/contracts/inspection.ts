import { z } from 'zod';
import { defineContract } from './contract.js';
import { counters } from './conversation-parts.js';
import { deliveries, deliveryState, deviceOutcome } from './deliveries.js';
import { isoTime, opaqueId, pageLimit, userId } from './primitives.js';
import { liveQuestion } from './traffic.js';

/** Sockets of a user in one answer. */
const SOCKETS_MAX = 100;

const messageId = z.string().regex(/^[0-9a-f]{24}$/, 'must be the id of a durable message');

/** A socket with what only its node knows. */
const socket = z.object({
  socketId: z.string(),
  node: z.string().describe('The id of the node.'),
  namespace: z.string(),
  deviceId: z.string().describe('Empty when the client names none.'),
  connectedAt: isoTime,
  address: z
    .string()
    .nullable()
    .describe('The network address; of IPv6 the first 64 bits. `null` here and below: the node did not answer.'),
  client: z
    .object({
      transport: z.enum(['websocket', 'polling']),
      userAgent: z.string().nullable().describe('The first 200 characters; `null`: the client sent none.'),
    })
    .nullable(),
  tokenExpiresAt: isoTime.nullable().describe('`null` also: the token does not expire.'),
});

const step = z.object({
  at: isoTime,
  what: z.enum(['accepted', 'sent', 'acknowledged', 'pushDue', 'pushed', 'expired']),
  deviceId: z.string().optional().describe('Absent: it concerns the message.'),
  detail: z.string().optional().describe('Of `expired` the reason, of `accepted` the node.'),
});

const message = z.object({
  id: z.string(),
  site: z.string().nullable().describe('The push site; `null`: the namespaces of the platform.'),
  userId: z.string(),
  namespace: z.string().describe('Where it was sent; `*`: everywhere.'),
  event: z.string(),
  isDurable: z.literal(true).describe('Other events are not recorded.'),
  state: deliveryState.describe('The most advanced state of any device.'),
  acceptedAt: isoTime.describe(
    'By the clock of the node, immediately before it was stored. The call was answered after that.',
  ),
  node: z.string().nullable().describe('The id of the node that stored it; `null` here and below: not recorded.'),
  key: z.string().nullable().describe('The name of the API key, as in the log; push sites have none.'),
  requestId: z.string().nullable().describe('The `X-Request-Id` of the call that sent it.'),
  expiresAt: isoTime.nullable().describe('`null`: it has no `ttl`.'),
  push: z
    .object({
      state: z
        .enum(['waiting', 'pushed', 'over'])
        .describe('`over`: not sent, because it was acknowledged or expired, there was no token, or it failed.'),
      dueAt: isoTime.nullable().describe('When it is to be sent, or tried again.'),
      attempts: z.number().int().nullable(),
      pushedAt: isoTime.nullable(),
    })
    .nullable()
    .describe('`null`: it was sent without push.'),
  devices: z.array(
    deviceOutcome.extend({
      sentAt: isoTime.nullable().describe('Known until it is acknowledged.'),
      acknowledgedAt: isoTime.nullable(),
    }),
  ),
  steps: z.array(step).describe('What is recorded of it, in the order of time.'),
});

/** What operators look at when a user did not get a message. Payloads are not shown. */
export const inspection = defineContract({
  name: 'inspection',
  routes: {
    users: {
      summary:
        'Finds users by id, or by the beginning of a name: the first name, the last name, both, or the display name. Case and accents do not count.',
      method: 'get',
      path: '/users',
      query: z.object({
        search: opaqueId.describe('The id of a user, or the beginning of a name.'),
        limit: pageLimit.default('20'),
      }),
      answer: z.object({
        users: z
          .array(
            z.object({
              id: z.string(),
              name: z.string().nullable().describe('`null` here and below: not in the collection of users.'),
              accountId: z.string().nullable(),
              isOnline: z.boolean(),
            }),
          )
          .describe('The user with this id first, then users in the order of their names.'),
        hasMore: z.boolean().describe('More users have such a name than were asked for.'),
        isByName: z
          .boolean()
          .describe('`false`: only the id was searched, because the database lacks an index (`npm run indexes`).'),
      }),
    },
    user: {
      summary: 'What is known of a user now: sockets on all nodes, devices with what waits for them, counters.',
      method: 'get',
      path: '/users/:userId',
      params: z.object({ userId }),
      answer: z.object({
        id: z.string(),
        name: z.string().nullable().describe('`null` here and below: not in the collection of users.'),
        accountId: z.string().nullable(),
        isOnline: z.boolean(),
        blockedUntil: isoTime.nullable().describe('Until when a backend has blocked the user; `null`: not blocked.'),
        connections: z.number().int().describe('All sockets, on all nodes.'),
        sockets: z
          .array(socket)
          .describe(
            `The first ${SOCKETS_MAX} in the order of their ids; \`GET /users/:userId/connections\` has the others.`,
          ),
        devices: deliveries.shape.devices,
        counters: z
          .object({
            stored: counters.describe('As stored and shown.'),
            recount: counters.nullable().describe('Counted from the conversations; `null`: there are too many.'),
          })
          .nullable()
          .describe('Of conversations; `null`: the user has none, or they were never counted.'),
      }),
    },
    messages: {
      summary: 'Finds the durable message of an idempotency key, for 24 hours after its first use.',
      method: 'get',
      path: '/messages',
      query: z.object({ idempotencyKey: z.string().min(1).max(128) }),
      answer: message,
    },
    message: {
      summary: 'What became of a durable message, device by device, with a timeline.',
      method: 'get',
      path: '/messages/:id',
      params: z.object({ id: messageId }),
      answer: message,
    },
    live: {
      summary:
        'Streams what happens on all nodes: one JSON object per line, and an empty line as a heartbeat. Of each node a reader gets 200 records in a second; further ones, and those that a slow reader misses, are counted: `{ "dropped": 12 }`. Payloads are not shown.',
      method: 'get',
      path: '/live',
      query: liveQuestion,
      sends: 'application/x-ndjson',
    },
  },
});
