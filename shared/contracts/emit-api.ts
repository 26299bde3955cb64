import { z } from 'zod';
import { blockSeconds } from './administration.js';
import { deliveryHeader } from './connection.js';
import { defineContract } from './contract.js';
import { deliveries, deliveryQuestion, deliveryState } from './deliveries.js';
import { accountId, eventName, flag, isoTime, opaqueId, time, userId, wholeNumber } from './primitives.js';

/** Where an emit goes: one namespace, or `*`, all that authenticate users. */
const namespace = z.enum(['/v1/shared', '/v1/conversation', '/v1/conversation/live', '*']).default('/v1/shared');

/** Up to a year. */
const seconds = wholeNumber(1, 31_536_000);

/** Up to a week. */
const milliseconds = wholeNumber(0, 604_800_000);

/** Options that are refused rather than ignored, because nothing would come of them. */
const unavailable = (name: string) => z.undefined({ error: `${name} is not available here` }).optional();

/** Options of an emit to one user. */
const emitOptions = z.object({
  namespace,
  durable: flag.describe("Stored until each of the user's devices has acknowledged it.").optional(),
  ttl: seconds.describe('Seconds after which a durable message is not delivered any more.').optional(),
  push: flag
    .describe('Shown by push, once, unless a device has acknowledged it. Makes the message durable.')
    .optional(),
  push_after: milliseconds.describe('Milliseconds until the push, instead of `PUSH_AFTER_MS`.').optional(),
});

/** Names a call that may be repeated without being done twice. */
const idempotencyKey = z.string().min(1).max(128).describe('Calls with the same key are done once.');

const reached = z.object({
  sockets: z.number().int().describe('Sockets reached on the node that answered; other nodes may have reached more.'),
});

/** What an emit came to; `id` and `state` when it was durable. */
export const emitted = reached.extend({ id: z.string().optional(), state: deliveryState.optional() });

/** Whether a user is connected, over all nodes. */
export const presence = z.object({
  userId,
  online: z.boolean(),
  connections: z.number().int(),
  since: isoTime.nullable(),
});

/** One item of a batch; its options apply to it alone. Unknown keys are refused, as in the query of a single call. */
export const emitItem = emitOptions
  .extend({
    idempotencyKey: idempotencyKey.optional(),
    userId,
    event: eventName,
    payload: z.unknown().default({}),
  })
  .strict();

/** Any value, documented as an item: each is parsed by itself, so that a bad one does not stop the rest. */
const { $schema: _, ...itemSchema } = z.toJSONSchema(emitItem, { io: 'input', unrepresentable: 'any' });
const documentedItem = z.unknown().meta(itemSchema);

/** REST routes of backends: emit to users, presence, disconnect, delivery states. */
export const emitApi = defineContract({
  name: 'emit-api',
  relayed: {
    summary: 'Any event a backend emits, under its own name; acknowledge it when it is durable.',
    payload: z.unknown(),
    isAcknowledged: true,
    header: deliveryHeader,
  },
  routes: {
    emit: {
      summary: 'Sends an event to every socket of a user; the body is its one argument.',
      method: 'post',
      path: '/emit/:userId/:event',
      params: z.object({ userId, event: eventName }),
      headers: z.object({ 'idempotency-key': idempotencyKey.optional() }),
      query: emitOptions,
      body: z.unknown(),
      answer: emitted,
    },
    emitStatus: {
      summary: 'The state of a durable emit on each device.',
      method: 'get',
      path: '/emit/:id',
      params: z.object({ id: z.string().regex(/^[0-9a-f]{24}$/, 'must be the id of an answer') }),
      answer: z.object({
        id: z.string(),
        userId,
        event: z.string(),
        state: deliveryState,
        createdAt: isoTime,
        devices: z.array(z.object({ deviceId: z.string(), state: deliveryState, at: isoTime })),
      }),
    },
    emitBatch: {
      summary: 'Sends up to 1000 events; one result per item, in order. A bad item does not stop the rest.',
      method: 'post',
      path: '/emit',
      body: z.object({ items: z.array(documentedItem).min(1).max(1000) }),
      answer: z.object({
        items: z.array(
          z.union([
            z.object({ success: z.literal(true), message: z.literal('SUCCESS'), data: emitted }),
            z.object({ success: z.literal(false), errno: z.number(), message: z.string() }).loose(),
          ]),
        ),
      }),
    },
    broadcast: {
      summary: 'Sends an event to everyone in the namespace, or to everyone of one account.',
      method: 'post',
      path: '/broadcast/:event',
      params: z.object({ event: eventName }),
      query: z.object({
        namespace,
        account: accountId.optional(),
        durable: unavailable('durable'),
        ttl: unavailable('ttl'),
        push: unavailable('push'),
        push_after: unavailable('push_after'),
      }),
      body: z.unknown(),
      answer: reached,
    },
    disconnect: {
      summary: 'Ends every connection of a user, on every node; with `block_seconds` the user may not return before.',
      method: 'post',
      path: '/users/:userId/disconnect',
      params: z.object({ userId }),
      body: z.object({ reason: z.string().max(256).optional(), block_seconds: blockSeconds.optional() }).optional(),
    },
    revokeTokens: {
      summary: 'Revokes one token by its `jti`, or all tokens of a user issued before a time. Open sockets are closed.',
      method: 'post',
      path: '/tokens/revoke',
      body: z.object({
        jti: opaqueId.optional(),
        userId: userId.optional(),
        issued_before: time.describe('Of the tokens of the user; absent: now.').optional(),
        keep_seconds: wholeNumber(1, 3_153_600_000)
          .describe('How long the revocation is kept: at least as long as such a token is valid. Absent: without end.')
          .optional(),
      }),
    },
    presence: {
      summary: 'Whether a user is connected to any node.',
      method: 'get',
      path: '/users/:userId/presence',
      params: z.object({ userId }),
      answer: presence,
    },
    deliveries: {
      summary: 'Why each device of a user got a durable event, or did not. Payloads are not shown.',
      method: 'get',
      path: '/users/:userId/deliveries',
      // A site compares the ids of its users exactly.
      params: z.object({ userId: opaqueId }),
      query: deliveryQuestion,
      answer: deliveries,
    },
    presences: {
      summary: 'The same for up to 500 users, in the order asked.',
      method: 'post',
      path: '/presence',
      body: z.object({ userIds: z.array(userId).min(1).max(500) }),
      answer: z.object({ users: z.array(presence) }),
    },
  },
});
