import type { z } from 'zod';
import type { Contract, Route } from '#shared/contracts/contract.js';
import { publishedContracts, wireVersion } from '#shared/contracts/index.js';
import { requestFailure } from '#shared/contracts/reply-schemas.js';
import { fieldsOf } from './json-schema.js';
import { json, refer, toComponents, toFailure, toJsonSchema, toSuccess } from './responses.js';

/** The OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1) of all REST routes, generated from the contracts. */
export function createOpenApi() {
  const paths: Record<string, object> = {};
  for (const { contract } of publishedContracts) {
    for (const [name, route] of Object.entries(contract.routes)) {
      const path = route.path.replace(/:(\w+)/g, '{$1}');
      const operation = toOperation(name, route, contract);
      paths[path] = { ...paths[path], [route.method]: operation };
    }
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'General Socket',
      version: wireVersion,
      description: 'REST API for backends to reach the sockets of users.',
    },
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
      schemas: toComponents(publishedContracts.map(({ contract }) => contract.requestFailure ?? requestFailure)),
    },
  };
}

function toOperation(name: string, route: Route, { name: tag, requestFailure: failure = requestFailure }: Contract) {
  const { params, query, headers } = route;
  const parameters = [
    ...parametersOf(params, 'path'),
    ...parametersOf(query, 'query'),
    ...parametersOf(headers, 'header'),
  ];
  return {
    operationId: `${tag}.${name}`,
    tags: [tag],
    summary: route.summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body === undefined ? {} : { requestBody: toRequestBody(route.body, route.takesForm === true) }),
    ...securityOf(route),
    responses: {
      [route.status ?? 200]: { description: 'Done.', content: answerOf(route) },
      ...refusalsOf(route, failure),
      ...failuresOf(route),
      default: toFailure(failure),
    },
  };
}

function securityOf({ caller }: Route) {
  if (caller === 'anyone') return { security: [] };
  if (caller === 'user') return { security: [{ user: [] }] };
  return caller === 'site' ? { security: [{ site: [] }, { siteInQuery: [] }] } : {};
}

const answerOf = ({ answer, message, text, sendsFile, sends }: Route) => {
  if (sendsFile === true) return { '*/*': {} };
  if (sends !== undefined) return typeof sends === 'string' ? { [sends]: {} } : json(toJsonSchema(sends));
  return text === undefined ? json(toSuccess(answer, message)) : textOf(text);
};

/** Text responses; with the same status a call can also fail with the JSON body. */
const refusalsOf = ({ refusals = {} }: Route, failure: z.ZodType) =>
  Object.fromEntries(
    Object.values(refusals).map(({ status, text }) => [
      status,
      { description: 'The caller is not allowed.', content: { ...textOf(text), ...json(refer(failure)) } },
    ]),
  );

const failuresOf = ({ failures = {} }: Route) =>
  Object.fromEntries(
    Object.entries(failures).map(([status, schema]) => [
      status,
      { description: 'The call failed; `message` says why.', content: json(toJsonSchema(schema)) },
    ]),
  );

const textOf = (text: string) => ({ 'text/plain': { schema: { const: text } } });

const parametersOf = (schema: z.ZodType | undefined, place: 'path' | 'query' | 'header') =>
  schema === undefined
    ? []
    : fieldsOf(toJsonSchema(schema)).map((field) => ({
        name: field.name,
        in: place,
        required: place === 'path' || field.isRequired,
        schema: field.schema,
      }));

/** An absent body counts as `{}`. */
function toRequestBody(body: z.ZodType, takesForm: boolean) {
  const schema = toJsonSchema(body);
  const form = takesForm ? { 'application/x-www-form-urlencoded': { schema } } : {};
  return { required: !body.safeParse({}).success, content: { ...json(schema), ...form } };
}
