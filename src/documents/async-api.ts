import type { PublishedNamespace } from '#shared/contracts/index.js';
import { configuredNamespaces, publishedContracts, publishedNamespaces, wireVersion } from '#shared/contracts/index.js';
import { createChannels } from './channel.js';
import { createSchemaWriter } from './json-schema.js';
import type { Part } from './messages.js';

/**
 * The AsyncAPI 3.0 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0) of all events, generated
 * from the contracts. Each namespace is a channel; connecting and each event are operations. A message's payload is the
 * argument of `emit`; the reply of an operation is the argument of the acknowledgement. Channels refer to messages, and
 * messages to schemas, that are written once.
 */
export function createAsyncApi() {
  const writer = createSchemaWriter('draft-7');
  const written = createChannels(writer);
  const channels: Record<string, Part> = {};
  const operations: Record<string, Part> = {};
  const namespaces = Object.entries<PublishedNamespace>({ ...publishedNamespaces, ...configuredNamespaces });
  for (const [address, namespace] of namespaces) {
    const spoken = publishedContracts.filter(({ namespaces: where }) => where.some((name) => name === address));
    const described = written.describe({ id: channelId(address), address, namespace }, spoken);
    channels[channelId(address)] = described.channel;
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
      messages: written.messages,
      schemas: writer.components,
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

/** `/v1/conversation/live` → `v1.conversation.live`, `/{site}` → `site`, `/` → `root`. */
const channelId = (address: string): string => address.slice(1).replaceAll('/', '.').replace(/[{}]/g, '') || 'root';
