import { requestFailure, unready } from '#shared/contracts/wording.js';
import { json, toFailure, toJsonSchema, toSuccess } from './responses.js';

const open = (summary: string, responses: object) => ({
  get: { tags: ['operation'], summary, security: [], responses },
});

const guarded = (summary: string, type: string) => ({
  get: {
    tags: ['operation'],
    summary,
    responses: { '200': { description: 'The document.', content: { [type]: {} } }, default: toFailure(requestFailure) },
  },
});

const isWell = { '200': { description: 'Yes.', content: json(toSuccess()) } };

/** What is answered by the gateway itself, not by an integration. */
export const fixedPaths: Record<string, object> = {
  '/status': open('That the gateway runs; asks nothing else, and is answered while it drains.', {
    '200': {
      description: 'It runs.',
      content: json({
        type: 'object',
        properties: { success: { const: true }, message: { const: 'General socket is running' } },
        required: ['success', 'message'],
      }),
    },
  }),
  '/healthcheck': open('The same, in one word.', {
    '200': { description: 'It runs.', content: { 'text/plain': { schema: { const: 'ok' } } } },
  }),
  '/health/live': open('Whether the process can serve.', isWell),
  '/health/ready': open('Whether the process should get traffic; 503 names what is missing.', {
    ...isWell,
    '503': { description: 'No.', content: json(toJsonSchema(unready)) },
  }),
  '/metrics': guarded('Metrics for Prometheus.', 'text/plain'),
  '/openapi.json': guarded('This document.', 'application/json'),
  '/asyncapi.json': guarded('The events, as an AsyncAPI document.', 'application/json'),
};
