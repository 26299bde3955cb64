import type { z } from 'zod';
import { CONSOLE_COOKIE } from '#shared/contracts/console.js';
import { type Contract, describeLimit, limitOfRoute, type Route } from '#shared/contracts/contract.js';
import { describeCosts } from '#shared/contracts/costs.js';
import type { RouteExample } from '#shared/contracts/examples/example.js';
import { publishedContracts, wireVersion } from '#shared/contracts/index.js';
import { requestFailure } from '#shared/contracts/reply-schemas.js';
import { toShown, toSuccessExample } from './examples.js';
import { createSchemaWriter, fieldsOf, type SchemaWriter } from './json-schema.js';
import { json, toFailure, toSuccess } from './responses.js';

/** The OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1) of all REST routes, generated from the contracts. */
export function createOpenApi() {
  const writer = createSchemaWriter('draft-2020-12');
  const paths: Record<string, object> = {};
  for (const { contract, examples } of publishedContracts) {
    for (const [name, route] of Object.entries(contract.routes)) {
      const path = route.path.replace(/:(\w+)/g, '{$1}');
      const operation = toOperation(writer, { name, route, contract, example: examples.routes[name] ?? {} });
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
        console: {
          type: 'apiKey',
          in: 'cookie',
          name: CONSOLE_COOKIE,
          description: 'The cookie of a session of the console, which its page gets for a key.',
        },
        user: { type: 'http', scheme: 'bearer', description: 'The token of a user of the chats, or of a visitor.' },
      },
      schemas: writer.components,
    },
  };
}

/** A route of a contract. */
interface Operation {
  readonly name: string;
  readonly route: Route;
  readonly contract: Contract;
  readonly example: RouteExample;
}

function toOperation(writer: SchemaWriter, { name, route, contract, example }: Operation) {
  const { name: tag, requestFailure: failure = requestFailure } = contract;
  const parameters = [
    ...toParameters(writer, route.params, { place: 'path', example: example.params }),
    ...toParameters(writer, route.query, { place: 'query', example: example.query }),
    ...toParameters(writer, route.headers, { place: 'header', example: example.headers }),
  ];
  return {
    operationId: `${tag}.${name}`,
    tags: [tag],
    summary: route.summary,
    ...descriptionOf(name, contract),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body === undefined ? {} : { requestBody: toRequestBody(writer, route, example.body) }),
    ...securityOf(route),
    responses: {
      [route.status ?? 200]: { description: 'Done.', content: answerOf(writer, route, example) },
      ...(route.sendsFile === true && {
        206: { description: 'The part that the header `Range` names.', content: answerOf(writer, route, example) },
      }),
      ...refusalsOf(writer, route, failure),
      ...failuresOf(writer, route, example),
      default: toFailure(writer, failure),
    },
  };
}

function descriptionOf(name: string, contract: Contract) {
  const limit = limitOfRoute(name, contract);
  const parts = [limit && describeLimit(limit), describeCosts(contract.routes[name]?.costs)];
  const description = parts.filter((part) => part !== undefined).join(' ');
  return description === '' ? {} : { description };
}

function securityOf({ caller }: Route) {
  if (caller === 'anyone') return { security: [] };
  if (caller === 'user' || caller === 'console') return { security: [{ [caller]: [] }] };
  return caller === 'site' ? { security: [{ site: [] }, { siteInQuery: [] }] } : {};
}

function answerOf(writer: SchemaWriter, { answer, message, text, sendsFile, sends }: Route, example: RouteExample) {
  if (sendsFile === true) return { '*/*': {} };
  if (typeof sends === 'string') return { [sends]: { example: example.sends } };
  if (sends !== undefined) return json(writer.toSchema(sends), example.sends);
  if (text !== undefined) return textOf(text);
  return json(toSuccess(writer, answer, message), toSuccessExample(example.answer, message ?? 'SUCCESS'));
}

/** Text responses; with the same status a call can also fail with the JSON body. */
const refusalsOf = (writer: SchemaWriter, { refusals = {} }: Route, failure: z.ZodType) =>
  Object.fromEntries(
    Object.values(refusals).map(({ status, text }) => [
      status,
      {
        description: 'The caller is not allowed.',
        content: { ...textOf(text), ...toFailure(writer, failure).content },
      },
    ]),
  );

const failuresOf = (writer: SchemaWriter, { failures = {} }: Route, example: RouteExample) =>
  Object.fromEntries(
    Object.entries(failures).map(([status, schema]) => [
      status,
      {
        description: 'The call failed; `message` says why.',
        content: json(writer.toSchema(schema), example.failures?.[Number(status)]),
      },
    ]),
  );

const textOf = (text: string) => ({ 'text/plain': { schema: { const: text }, example: text } });

/** Where parameters are, and an example of them. */
interface Parameters {
  readonly place: 'path' | 'query' | 'header';
  readonly example: Readonly<Record<string, unknown>> | undefined;
}

const toParameters = (writer: SchemaWriter, schema: z.ZodType | undefined, { place, example }: Parameters) =>
  schema === undefined
    ? []
    : fieldsOf(writer.toSchema(schema)).map((field) => ({
        name: field.name,
        in: place,
        required: place === 'path' || field.isRequired,
        schema: field.schema,
        ...(example?.[field.name] === undefined ? {} : { example: example[field.name] }),
      }));

/** An absent body counts as `{}`. */
function toRequestBody(writer: SchemaWriter, { body, takesForm }: Route, example: unknown) {
  if (body === undefined) return {};
  const content = json(writer.toSchema(body), toShown(example));
  const form = takesForm === true ? { 'application/x-www-form-urlencoded': content['application/json'] } : {};
  return { required: !body.safeParse({}).success, content: { ...content, ...form } };
}
