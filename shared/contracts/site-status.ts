import { z } from 'zod';
import { defineContract } from './contract.js';
import { isoTime } from './primitives.js';

const auth = z
  .object({
    ok: z.number().int().describe('Calls of `authUrl` that named rooms.'),
    failed: z.number().int().describe('Calls without an answer, or whose answer refused the client.'),
    lastStatus: z
      .number()
      .int()
      .nullable()
      .describe('HTTP status of the last call; `null`: no answer, or no call yet.'),
    lastAt: isoTime.nullable(),
    p50Ms: z.number().nullable().describe('Of the last 100 calls of each node; `null`: none.'),
    p99Ms: z.number().nullable(),
  })
  .describe('Since the nodes have started.');

const update = z.object({
  at: isoTime,
  userId: z.string(),
  kind: z.enum(['connected', 'disconnected']),
});

/** The push sites as the console shows them. */
export const siteStatus = defineContract({
  name: 'site-status',
  routes: {
    sites: {
      summary:
        'The push sites: clients, waiting messages, the answers of their websites, and the last updates about users.',
      method: 'get',
      path: '/sites',
      answer: z.object({
        sites: z.array(
          z.object({
            name: z.string(),
            namespace: z.string(),
            connections: z.number().int(),
            waiting: z.number().int().describe('Stored messages for connected devices that are not acknowledged.'),
            auth,
            userUpdates: z.array(update).describe('The last 20 for `updateUserUrl`, newest first.'),
          }),
        ),
        missingNodes: z.array(z.string()).describe('Ids of nodes that are alive and did not answer.'),
      }),
    },
  },
});
