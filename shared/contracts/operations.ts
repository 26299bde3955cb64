import { z } from 'zod';
import { defineContract } from './contract.js';
import { flag, userId } from './primitives.js';
import { unready } from './reply-schemas.js';

/** A document as the answer: an object of any form. */
const document = z.looseObject({});

/** What a gateway depends on. */
const dependencies: readonly string[] = ['mongo', 'redis', 'storage'];

/** What the gateway says about itself: to load balancers, to Prometheus, and to those who write clients. */
export const operations = defineContract({
  name: 'operation',
  routes: {
    status: {
      summary: 'Whether the process runs. Checks no dependency, and succeeds while the gateway drains.',
      method: 'get',
      path: '/status',
      caller: 'anyone',
      message: 'General socket is running',
    },
    healthcheck: {
      summary: 'The same as plain text.',
      method: 'get',
      path: '/healthcheck',
      caller: 'anyone',
      text: 'ok',
    },
    live: {
      summary: 'Whether the process can serve at all. Shows its versions to callers with the API key.',
      method: 'get',
      path: '/health/live',
      caller: 'anyone',
      answer: z.object({
        version: z.string().optional().describe('Version of the gateway. With the API key only.'),
        wire: z
          .string()
          .optional()
          .describe(
            'Version of the events and routes, as in the `info` of the OpenAPI document. With the API key only.',
          ),
      }),
    },
    ready: {
      summary: 'Whether the process should receive traffic; otherwise names the missing dependencies.',
      method: 'get',
      path: '/health/ready',
      caller: 'anyone',
      query: z.object({
        exclude: z
          .string()
          .refine(
            (list) => list.split(',').every((name) => dependencies.includes(name)),
            'must be dependencies with commas',
          )
          .describe(`Of \`${dependencies.join('`, `')}\`, with commas between them: may be missing. Absent: none.`)
          .optional(),
      }),
      failures: { 503: unready },
    },
    metrics: {
      summary: 'Metrics in the text format of Prometheus.',
      method: 'get',
      path: '/metrics',
      sends: 'text/plain',
    },
    openApi: {
      summary: 'The REST routes as an OpenAPI document.',
      method: 'get',
      path: '/openapi.json',
      sends: document,
    },
    asyncApi: {
      summary: 'The events as an AsyncAPI document.',
      method: 'get',
      path: '/asyncapi.json',
      sends: document,
    },
    tail: {
      summary:
        'Streams the events that all nodes receive and send: one JSON object per line with names and sizes, and an empty line as a heartbeat. Of each node a reader gets 200 events in a second; further ones, and those that a slow reader misses, are counted: `{ "dropped": 12 }`.',
      method: 'get',
      path: '/tail',
      query: z.object({
        user: userId.describe('Only events of this user.').optional(),
        namespace: z.string().min(1).max(128).describe('Only events of this namespace.').optional(),
        node: z.string().min(1).max(128).describe('Only of the node with this id.').optional(),
        payloads: flag.describe('With the arguments; refused in production.').optional(),
      }),
      sends: 'application/x-ndjson',
    },
    docs: {
      summary: 'The events and routes as an HTML page.',
      method: 'get',
      path: '/docs',
      sends: 'text/html',
    },
  },
});
