import { z } from 'zod';
import { defineContract } from './contract.js';
import { isoTime } from './primitives.js';

/** Seconds between two samples of a node. */
export const HISTORY_STEP_S = 10;
/** Samples that each node keeps: an hour. */
export const HISTORY_STEPS = 360;

const node = z.object({
  id: z.string(),
  name: z
    .string()
    .nullable()
    .describe('`NODE_NAME`, or host and process id. This and all that follows is `null` when the node did not answer.'),
  version: z.string().nullable(),
  startedAt: isoTime.nullable(),
  connections: z.number().int().nullable().describe('Sockets.'),
  connectionsByNamespace: z.record(z.string(), z.number().int()).nullable(),
  eventsPerSecond: z.number().nullable().describe('Events of clients, in the last 10 to 20 seconds.'),
  emitsPerSecond: z.number().nullable().describe('Events that were sent to a room or a namespace, in the same time.'),
  eventLoopLagMs: z.number().nullable().describe('The 99th percentile of the last 10 to 20 seconds.'),
  memoryBytes: z.number().int().nullable().describe('Resident memory of the process.'),
  redis: z.enum(['up', 'down', 'none']).nullable().describe('`none`: without `REDIS_URL`.'),
  mongo: z.enum(['up', 'down']).nullable(),
  isDraining: z.boolean().nullable(),
  isReady: z.boolean().nullable().describe('Whether it should receive traffic, as `GET /health/ready` says.'),
});

const series = z
  .record(z.string(), z.array(z.number().nullable()))
  .describe(
    [
      'By name, oldest first; `null`: no node has a sample of this step. Rates are per second. All nodes together:',
      '`connections:<namespace>`; `events` of clients; `emits` and `deliveries`, sent to rooms and written to sockets;',
      '`durable.waiting`, `durable.acknowledged`, `durable.expired`; `pushes:<result>`;',
      '`errors:<code>` of events and connects, and `errors:HTTP <status>` of REST calls.',
      'Of the slowest node: `eventP50Ms`, `eventP99Ms`, `restP50Ms`, `restP99Ms`.',
    ].join(' '),
  );

/** The nodes, and the last hour, as the overview of the console shows them. */
export const cluster = defineContract({
  name: 'cluster',
  routes: {
    overview: {
      summary:
        'All nodes that are alive with their load and state. A node that does not answer within a second is `null`.',
      method: 'get',
      path: '/cluster',
      answer: z.object({
        nodes: z.array(node).describe('In the order of their names.'),
        totals: z
          .object({
            connections: z.number().int(),
            users: z
              .number()
              .int()
              .describe('Users of the platform with a socket; one on several nodes counts on each.'),
            eventsPerSecond: z.number(),
            emitsPerSecond: z.number(),
            waiting: z.number().int().describe('Durable messages for connected devices that are not acknowledged.'),
          })
          .describe('Of the nodes that answered.'),
      }),
    },
    history: {
      summary:
        'What happened in the last hour, in steps of 10 seconds. Each node keeps its own samples in memory: those of a node that has ended are gone.',
      method: 'get',
      path: '/cluster/history',
      query: z.object({
        steps: z
          .string()
          .regex(/^(?:[1-9]\d?|[12]\d\d|3[0-5]\d|360)$/, 'must be a number from 1 to 360')
          .default('360')
          .describe('How many of the last steps.'),
      }),
      answer: z.object({
        stepSeconds: z.number().int(),
        from: isoTime.describe('Beginning of the first step.'),
        series,
        missingNodes: z.array(z.string()).describe('Ids of nodes that are alive and did not answer.'),
      }),
    },
  },
});
