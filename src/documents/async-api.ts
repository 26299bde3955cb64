import type { ClientEvent, Contract, ServerEvent } from '#shared/contracts/contract.js';
import {
  type PublishedNamespace,
  publishedContracts,
  publishedNamespaces,
  wireVersion,
} from '#shared/contracts/index.js';
import { eventFailureSchema, successSchema } from './answers.js';
import { type JsonSchema, toJsonSchema } from './json-schema.js';

const DIALECT = 'draft-7';

/** An object of the document. */
type Part = Record<string, unknown>;

/**
 * An AsyncAPI 3.0 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0) of every event, made from the
 * contracts: a channel for each namespace, an operation for each event of it. A message's payload is what follows the
 * event's name in `emit`; the reply of an operation is what the acknowledgement is called with.
 */
export function createAsyncApi() {
  const channels: Record<string, Part> = {};
  const operations: Record<string, Part> = {};
  for (const [name, namespace] of Object.entries<PublishedNamespace>(publishedNamespaces)) {
    const spoken = publishedContracts.filter(({ namespaces }) => namespaces.some((other) => other === name));
    const described = describeNamespace(
      name,
      namespace,
      spoken.map(({ contract }) => contract),
    );
    channels[channelId(name)] = described.channel;
    Object.assign(operations, described.operations);
  }
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'General Socket',
      version: wireVersion,
      description: 'The events of the gateway, over Socket.IO 4. The address of a channel is a Socket.IO namespace.',
    },
    defaultContentType: 'application/json',
    servers: {
      gateway: { host: 'localhost:4000', protocol: 'ws', description: 'A gateway started with its defaults.' },
    },
    channels,
    operations,
    components: {
      securitySchemes: {
        token: {
          type: 'httpApiKey',
          in: 'query',
          name: 'token',
          description: 'A JWT, in the query string, in `auth.token`, in the header x-token or as a bearer token.',
        },
      },
    },
  };
}

/** `/v1/conversation/live` → `v1.conversation.live`. */
const channelId = (namespace: string): string => namespace.slice(1).replaceAll('/', '.');

function describeNamespace(name: string, { summary, scopes }: PublishedNamespace, contracts: readonly Contract[]) {
  const id = channelId(name);
  const channel = { $ref: `#/channels/${id}` };
  const message = (key: string) => ({ $ref: `#/channels/${id}/messages/${key}` });
  const messages: Record<string, Part> = {};
  const operations: Record<string, Part> = {};
  for (const { clientEvents, serverEvents } of contracts) {
    for (const [event, declared] of Object.entries(clientEvents)) {
      messages[`${event}.request`] = toRequest(event, declared);
      messages[`${event}.answer`] = toAnswer(event, declared);
      operations[`${id}.on.${event}`] = {
        action: 'receive',
        channel,
        summary: declared.summary,
        messages: [message(`${event}.request`)],
        reply: { channel, messages: [message(`${event}.answer`)] },
        ...securityOf(declared.scopes ?? scopes),
      };
    }
    for (const [event, declared] of Object.entries(serverEvents)) {
      messages[`${event}.event`] = toEvent(event, declared);
      operations[`${id}.emit.${event}`] = {
        action: 'send',
        channel,
        summary: declared.summary,
        messages: [message(`${event}.event`)],
      };
    }
  }
  return { channel: { address: name, description: summary, messages }, operations };
}

const securityOf = (scopes: readonly string[] | undefined): Part =>
  scopes === undefined
    ? {}
    : {
        description: `The token needs ${scopes.length === 0 ? 'no scope' : `one of the scopes: ${scopes.join(', ')}`}.`,
        security: [{ $ref: '#/components/securitySchemes/token' }],
      };

const toRequest = (event: string, { summary, payload, takesAllArguments }: ClientEvent): Part => ({
  name: event,
  summary: takesAllArguments === true ? `${summary} The payload is the list of all arguments.` : summary,
  payload: toJsonSchema(payload, DIALECT),
});

const toAnswer = (event: string, { answer, isEchoed }: ClientEvent): Part => ({
  name: event,
  summary:
    isEchoed === true
      ? 'The acknowledgement; also sent to the caller as an event of the same name.'
      : 'The acknowledgement.',
  payload: { oneOf: [successSchema(answer, DIALECT), eventFailureSchema] } satisfies JsonSchema,
});

const toEvent = (event: string, { summary, payload }: ServerEvent): Part => ({
  name: event,
  summary,
  ...(payload === undefined ? {} : { payload: toJsonSchema(payload, DIALECT) }),
});
