import { z } from 'zod';
import { defineContract } from './contract.js';
import { deliveries } from './deliveries.js';
import { deviceId, isoTime, opaqueId, pageLimit, userId, wholeNumber } from './primitives.js';

/** How long a user may be blocked: up to 30 days. */
export const blockSeconds = wholeNumber(1, 2_592_000);

/** The id of a node, of one run of its process. */
const nodeId = opaqueId;

const page = z.object({
  limit: pageLimit.default('50'),
  after: opaqueId.describe('`next` of the previous page.').optional(),
});
const next = z.string().nullable().describe('`after` of the next page; `null`: that was all.');

/** A device in a query, which can name every device. A path cannot name the ids ``, `.` and `..`. */
const anyDevice = z.object({ deviceId: deviceId.describe('Empty: the device of clients that name none.') });

const cleared = z.object({ cleared: z.number().int().describe('Messages that waited, counted up to 1000.') });

const connection = z.object({
  socketId: z.string(),
  node: z.string(),
  namespace: z.string(),
  deviceId: z.string().describe('Empty when the client names none.'),
  connectedAt: isoTime,
});

const connectionOfNode = connection.extend({
  kind: z.enum(['user', 'visitor', 'site', 'anonymous']),
  userId: z.string().nullable().describe('The user, the visitor, or the user of a push site; `null`: not known.'),
});

/** The routes for operators. */
export const administration = defineContract({
  name: 'administration',
  routes: {
    block: {
      summary:
        'Blocks a user on every node, until the time is over or the block is ended; the last call counts. Open sockets are closed within a second.',
      method: 'post',
      path: '/users/:userId/block',
      params: z.object({ userId }),
      body: z.object({ seconds: blockSeconds }),
      answer: z.object({ blockedUntil: isoTime }),
    },
    unblock: {
      summary: 'Ends the block of a user on every node. Does not change the user in the platform.',
      method: 'delete',
      path: '/users/:userId/block',
      params: z.object({ userId }),
      answer: z.object({ wasBlocked: z.boolean() }),
    },
    blockOf: {
      summary: 'Whether a backend has blocked a user, and until when.',
      method: 'get',
      path: '/users/:userId/block',
      params: z.object({ userId }),
      answer: z.object({ blockedUntil: isoTime.nullable() }),
    },
    connections: {
      summary: 'The sockets of a user on all nodes, in the order of their ids.',
      method: 'get',
      path: '/users/:userId/connections',
      params: z.object({ userId }),
      query: page,
      answer: z.object({ connections: z.array(connection), next }),
    },
    devices: {
      summary: 'The devices of a user that durable messages are kept for.',
      method: 'get',
      path: '/users/:userId/devices',
      params: z.object({ userId }),
      answer: deliveries.pick({ devices: true }),
    },
    forgetDevice: {
      summary:
        'Forgets a device that is not connected, with the messages that wait for it. Should it come back, it gets `_resync`. A connected one is a `CONFLICT`.',
      method: 'delete',
      path: '/users/:userId/devices/:deviceId',
      params: z.object({ userId, deviceId: opaqueId }),
    },
    clearDevice: {
      summary:
        'Clears the messages that wait for a device, on every node. The device gets `_resync`, at once if it is connected. Messages that are sent meanwhile stay.',
      method: 'delete',
      path: '/users/:userId/devices/:deviceId/messages',
      params: z.object({ userId, deviceId: opaqueId }),
      answer: cleared,
    },
    forgetAnyDevice: {
      summary:
        'The same as `DELETE /users/:userId/devices/:deviceId`, with the device in the query: also for the device of clients that name none.',
      method: 'delete',
      path: '/users/:userId/device',
      params: z.object({ userId }),
      query: anyDevice,
    },
    clearAnyDevice: {
      summary:
        'The same as `DELETE /users/:userId/devices/:deviceId/messages`, with the device in the query: also for the device of clients that name none.',
      method: 'delete',
      path: '/users/:userId/device/messages',
      params: z.object({ userId }),
      query: anyDevice,
      answer: cleared,
    },
    nodes: {
      summary: 'The nodes that are alive.',
      method: 'get',
      path: '/nodes',
      answer: z.object({
        nodes: z.array(
          z.object({
            id: z.string(),
            name: z
              .string()
              .nullable()
              .describe('`NODE_NAME`, or host and process id. All fields are `null` when the node did not answer.'),
            version: z.string().nullable(),
            connections: z.number().int().nullable(),
            isDraining: z.boolean().nullable(),
          }),
        ),
      }),
    },
    nodeConnections: {
      summary: 'The sockets of a node, in the order of their ids.',
      method: 'get',
      path: '/nodes/:nodeId/connections',
      params: z.object({ nodeId }),
      query: page,
      answer: z.object({ connections: z.array(connectionOfNode), next }),
    },
    drainNode: {
      summary:
        'Drains a node: it takes no new connections, is not ready any more, and disconnects its clients in waves. It stays so until it is stopped.',
      method: 'post',
      path: '/nodes/:nodeId/drain',
      params: z.object({ nodeId }),
      answer: z.object({ connections: z.number().int().describe('Sockets that are disconnected.') }),
    },
  },
});
