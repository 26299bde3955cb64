import type { z } from 'zod';
import type { Route } from '#shared/contracts/contract.js';
import { publishedContracts, wireVersion } from '#shared/contracts/index.js';
import { requestFailureSchema, successSchema } from './answers.js';
import { fieldsOf, toJsonSchema } from './json-schema.js';

const DIALECT = 'draft-2020-12';

/** An OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1) of every REST route, made from the contracts. */
export function createOpenApi() {
  const paths: Record<string, object> = { ...fixedPaths };
  for (const { contract } of publishedContracts) {
    for (const [name, route] of Object.entries(contract.routes)) {
      const path = route.path.replace(/:(\w+)/g, '{$1}');
      const operation = toOperation(`${contract.name}.${name}`, contract.name, route);
      paths[path] = { ...paths[path], [route.method]: operation };
    }
  }
  return {
    openapi: '3.1.1',
    info: { title: 'General Socket', version: wireVersion, description: 'How backends reach the sockets of users.' },
    servers: [{ url: '/' }],
    security: [{ apiKey: [] }, { bearer: [] }],
    paths,
    components: {
      securitySchemes: {
        apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key', description: 'One of EMIT_API_KEYS.' },
        bearer: { type: 'http', scheme: 'bearer', description: 'The same key, as a bearer token.' },
        site: { type: 'apiKey', in: 'header', name: 'x-api-key', description: 'The key of a push site.' },
        siteInQuery: { type: 'apiKey', in: 'query', name: 'apiKey', description: 'The same key.' },
        user: { type: 'http', scheme: 'bearer', description: 'The token of a user of the chats, or of a visitor.' },
      },
      responses: {
        Failure: { description: 'The call failed; `message` says why.', content: json(requestFailureSchema) },
      },
    },
  };
}

const json = (schema: object) => ({ 'application/json': { schema } });

const failure = { default: { $ref: '#/components/responses/Failure' } };

function toOperation(operationId: string, tag: string, route: Route) {
  const parameters = [...parametersOf(route.params, 'path'), ...parametersOf(route.query, 'query')];
  return {
    operationId,
    tags: [tag],
    summary: route.summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body === undefined ? {} : { requestBody: toRequestBody(route.body, route.takesForm === true) }),
    ...securityOf(route),
    responses: {
      [route.status ?? 200]: { description: 'Done.', content: answerOf(route) },
      ...failure,
    },
  };
}

function securityOf({ caller }: Route) {
  if (caller === 'user') return { security: [{ user: [] }] };
  return caller === 'site' ? { security: [{ site: [] }, { siteInQuery: [] }] } : {};
}

const answerOf = ({ answer, message, text, sendsFile }: Route) => {
  if (sendsFile === true) return { '*/*': {} };
  return text === undefined
    ? json(successSchema(answer, DIALECT, message))
    : { 'text/plain': { schema: { const: text } } };
};

const parametersOf = (schema: z.ZodType | undefined, place: 'path' | 'query') =>
  schema === undefined
    ? []
    : fieldsOf(toJsonSchema(schema, DIALECT)).map((field) => ({
        name: field.name,
        in: place,
        required: place === 'path' || field.isRequired,
        schema: field.schema,
      }));

/** A call without a body counts as one with `{}`. */
function toRequestBody(body: z.ZodType, takesForm: boolean) {
  const schema = toJsonSchema(body, DIALECT);
  const form = takesForm ? { 'application/x-www-form-urlencoded': { schema } } : {};
  return { required: !body.safeParse({}).success, content: { ...json(schema), ...form } };
}

const open = (summary: string, responses: object) => ({
  get: { tags: ['operation'], summary, security: [], responses },
});

const guarded = (summary: string, type: string) => ({
  get: {
    tags: ['operation'],
    summary,
    responses: { '200': { description: 'The document.', content: { [type]: {} } }, ...failure },
  },
});

const isWell = { '200': { description: 'Yes.', content: json(successSchema(undefined, DIALECT)) } };

/** What is answered by the gateway itself, not by an integration. */
const fixedPaths: Record<string, object> = {
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
    ...failure,
  }),
  '/metrics': guarded('Metrics for Prometheus.', 'text/plain'),
  '/openapi.json': guarded('This document.', 'application/json'),
  '/asyncapi.json': guarded('The events, as an AsyncAPI document.', 'application/json'),
};
