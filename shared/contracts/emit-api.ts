import { z } from 'zod';
import { defineContract } from './contract.js';
import { accountId, eventName, isoTime, userId } from './primitives.js';

/** Where an emit goes: one namespace, or `*`, all that authenticate users. */
const options = z.object({
  namespace: z.enum(['/v1/shared', '/v1/conversation', '/v1/conversation/live', '*']).default('/v1/shared'),
  durable: later('durable'),
  ttl: later('ttl'),
  push: later('push'),
});

/** Options of acknowledged delivery: refused rather than ignored while a message would not survive. */
function later(name: string) {
  return z.undefined({ error: `${name} is not available: this gateway does not store messages` }).optional();
}

const reached = z.object({
  /** Sockets reached on the node that answered; other nodes may have reached more. */
  sockets: z.number().int(),
});

const presence = z.object({
  userId,
  online: z.boolean(),
  connections: z.number().int(),
  since: isoTime.nullable(),
});

/** One item of a batch; `options` apply to it alone. */
export const emitItem = options.extend({ userId, event: eventName, payload: z.unknown().default({}) });

/** The REST routes by which backends reach the sockets of users. */
export const emitApi = defineContract({
  name: 'emit-api',
  routes: {
    emit: {
      summary: 'Sends an event to every socket of a user; the body is its one argument.',
      method: 'post',
      path: '/emit/:userId/:event',
      params: z.object({ userId, event: eventName }),
      query: options,
      body: z.unknown(),
      answer: reached,
    },
    emitBatch: {
      summary: 'Sends up to 1000 events; one result per item, in order. A bad item does not stop the rest.',
      method: 'post',
      path: '/emit',
      body: z.object({ items: z.array(z.unknown()).min(1).max(1000) }),
      answer: z.object({
        items: z.array(
          z.union([
            z.object({ success: z.literal(true), message: z.literal('SUCCESS'), data: reached }),
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
      query: options.extend({ account: accountId.optional() }),
      body: z.unknown(),
      answer: reached,
    },
    disconnect: {
      summary: 'Ends every connection of a user, on every node.',
      method: 'post',
      path: '/users/:userId/disconnect',
      params: z.object({ userId }),
      body: z.object({ reason: z.string().max(256).optional() }).optional(),
    },
    presence: {
      summary: 'Whether a user is connected anywhere.',
      method: 'get',
      path: '/users/:userId/presence',
      params: z.object({ userId }),
      answer: presence,
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
