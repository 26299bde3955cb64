import { z } from 'zod';
import type { ClientEvent, Contract, ServerEvent } from '#shared/contracts/contract.js';
import type { PublishedNamespace } from '#shared/contracts/index.js';
import type { ReplySchemas } from '#shared/contracts/reply-schemas.js';
import { toJsonSchema as toSchema } from './json-schema.js';

/** An object of the document. */
export type Part = Record<string, unknown>;

/** A namespace and its id in the document. */
interface Place {
  readonly id: string;
  readonly address: string;
  readonly namespace: PublishedNamespace;
}

const toJsonSchema = (schema: z.ZodType) => toSchema(schema, 'draft-7');

/** The channel of a namespace with the events of the given contracts, and its operations. */
export function describeChannel({ id, address, namespace }: Place, contracts: readonly Contract[]) {
  const { summary, scopes, replies, handshake, parameters } = namespace;
  const channel = { $ref: `#/channels/${id}` };
  const messages: Record<string, Part> = {};
  const operations: Record<string, Part> = {};
  const add = (key: string, message: Part) => {
    messages[key] = message;
    return [{ $ref: `#/channels/${id}/messages/${key}` }];
  };

  const addEvent = (event: string, declared: ServerEvent, name?: string): void => {
    const sent = add(`${event}.event`, toEvent(declared, name));
    operations[`${id}.emit.${event}`] = {
      action: 'send',
      channel,
      summary: declared.summary,
      messages: sent,
      ...(declared.isAcknowledged === true
        ? { reply: { channel, messages: add(`${event}.acknowledgement`, toAcknowledgement(name)) } }
        : {}),
    };
  };

  operations[`${id}.on.connect`] = {
    action: 'receive',
    channel,
    summary: 'Connects to the namespace. The reply is sent only when the connection is refused.',
    messages: add('connect.request', toConnect(handshake?.auth)),
    reply: { channel, messages: add('connect_error.event', toRefusal(replies)) },
    ...securityOf(scopes),
  };
  for (const { clientEvents, serverEvents, relayed } of contracts) {
    for (const [event, declared] of Object.entries(clientEvents)) {
      operations[`${id}.on.${event}`] = {
        action: 'receive',
        channel,
        summary: declared.summary,
        messages: add(`${event}.request`, toRequest(event, declared)),
        reply: { channel, messages: add(`${event}.answer`, toAnswer(event, declared, replies)) },
        ...securityOf(declared.scopes ?? scopes),
      };
    }
    for (const [event, declared] of Object.entries(serverEvents)) addEvent(event, declared, event);
    if (relayed !== undefined) addEvent('relayed', relayed);
  }
  return {
    channel: {
      address,
      description: summary,
      ...(parameters === undefined ? {} : { parameters: toParameters(parameters) }),
      ...(handshake?.query === undefined ? {} : { bindings: toBindings(handshake.query) }),
      messages,
    },
    operations,
  };
}

const securityOf = (scopes: readonly string[] | undefined): Part =>
  scopes === undefined
    ? {}
    : {
        description: `The token needs ${scopes.length === 0 ? 'no scope' : `one of the scopes: ${scopes.join(', ')}`}.`,
        security: [{ $ref: '#/components/securitySchemes/token' }],
      };

const toParameters = (parameters: Readonly<Record<string, string>>): Part =>
  Object.fromEntries(Object.entries(parameters).map(([name, description]) => [name, { description }]));

/** The query string of the handshake, which is an HTTP request. */
const toBindings = (query: z.ZodType): Part => ({
  ws: { method: 'GET', query: toJsonSchema(query), bindingVersion: '0.1.0' },
});

const toConnect = (auth: z.ZodType = z.object({})): Part => ({
  name: 'connect',
  summary: 'The `auth` of the client.',
  payload: toJsonSchema(auth),
});

const toRefusal = ({ refusal }: ReplySchemas): Part => ({
  name: 'connect_error',
  summary: 'Why the connection was refused.',
  payload: toJsonSchema(refusal),
});

const toRequest = (event: string, { summary, payload, takesAllArguments }: ClientEvent): Part => ({
  name: event,
  summary: summaryOf(summary, takesAllArguments),
  payload: toJsonSchema(payload),
});

const toAnswer = (event: string, { answer, isEchoed }: ClientEvent, { success, failure }: ReplySchemas): Part => ({
  name: event,
  summary:
    isEchoed === true
      ? 'The acknowledgement; also sent to the caller as an event of the same name.'
      : 'The acknowledgement.',
  payload: { oneOf: [toJsonSchema(success(answer)), toJsonSchema(failure)] },
});

const toEvent = ({ summary, payload, takesAllArguments, header }: ServerEvent, name: string | undefined): Part => ({
  ...(name === undefined ? {} : { name }),
  summary: summaryOf(summary, takesAllArguments),
  ...(header === undefined ? {} : { description: HEADER, headers: toJsonSchema(header) }),
  ...(payload === undefined ? {} : { payload: toJsonSchema(payload) }),
});

const HEADER =
  'When it is durable and the client connected with `auth.deliveryIds`, the headers are one more argument before the acknowledgement.';

const toAcknowledgement = (name: string | undefined): Part => ({
  ...(name === undefined ? {} : { name }),
  summary: 'Confirms that the application received it. The arguments are ignored.',
});

const summaryOf = (summary: string, takesAllArguments = false): string =>
  takesAllArguments ? `${summary} The payload is the list of all arguments.` : summary;
