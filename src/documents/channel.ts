import type { z } from 'zod';
import { describeLimit, type ServerEvent } from '#shared/contracts/contract.js';
import { describeCosts } from '#shared/contracts/costs.js';
import type { EventExample } from '#shared/contracts/examples/example.js';
import type { PublishedContract, PublishedNamespace } from '#shared/contracts/index.js';
import type { SchemaWriter } from './json-schema.js';
import { createMessages, type Part } from './messages.js';

/** A namespace and its id in the document. */
interface Place {
  readonly id: string;
  readonly address: string;
  readonly namespace: PublishedNamespace;
}

/** Writes the channels of one document, which share their messages. */
export function createChannels(writer: SchemaWriter) {
  const messageOf = createMessages(writer);
  /** The messages of all channels, by the id under which channels refer to them. */
  const shared: Record<string, Part> = {};

  /** Stores a message once for all channels. @returns its id; that of a channel where channels differ */
  function share(name: string, channelId: string, message: Part): string {
    // Ids have no colons.
    const id = name.replaceAll(':', '.');
    const text = JSON.stringify(message);
    const known = [id, `${id}.${channelId}`].find((key) => shared[key] === undefined || isSame(shared[key], text));
    if (known === undefined) throw new Error(`a channel has two messages ${id}`);
    shared[known] = message;
    return known;
  }

  /** The channel of a namespace with the events of the given contracts, and its operations. */
  function describe({ id, address, namespace }: Place, contracts: readonly PublishedContract[]) {
    const { summary, scopes, replies, handshake, parameters } = namespace;
    const channel = { $ref: `#/channels/${id}` };
    const messages: Record<string, Part> = {};
    const operations: Record<string, Part> = {};
    const add = (contract: string, key: string, message: Part) => {
      messages[key] = { $ref: `#/components/messages/${share(`${contract}.${key}`, id, message)}` };
      return [{ $ref: `#/channels/${id}/messages/${key}` }];
    };

    const addEvent = (contract: string, declared: ServerEvent, { name, example }: NamedExample): void => {
      const event = name ?? 'relayed';
      const sent = add(contract, `${event}.event`, messageOf.event(declared, name, example));
      operations[`${id}.emit.${event}`] = {
        action: 'send',
        channel,
        summary: declared.summary,
        messages: sent,
        ...(declared.isAcknowledged === true
          ? { reply: { channel, messages: add(contract, `${event}.acknowledgement`, messageOf.acknowledgement(name)) } }
          : {}),
      };
    };

    operations[`${id}.on.connect`] = {
      action: 'receive',
      channel,
      summary: 'Connects to the namespace. The reply is sent only when the connection is refused.',
      messages: add('handshake', 'connect.request', messageOf.connect(handshake?.auth)),
      reply: { channel, messages: add('handshake', 'connect_error.event', messageOf.refusal(replies)) },
      ...securityOf(scopes),
    };
    for (const { contract, examples } of contracts) {
      const { name, clientEvents, serverEvents, relayed } = contract;
      for (const [event, declared] of Object.entries(clientEvents)) {
        const example = examples.clientEvents[event];
        const answer = messageOf.answer(event, declared, { replies, example });
        operations[`${id}.on.${event}`] = {
          action: 'receive',
          channel,
          summary: declared.summary,
          messages: add(name, `${event}.request`, messageOf.request(event, declared, example)),
          reply: { channel, messages: add(name, `${event}.answer`, answer) },
          ...securityOf(declared.scopes ?? scopes, [
            declared.limit && describeLimit(declared.limit),
            describeCosts(declared.costs),
          ]),
        };
      }
      for (const [event, declared] of Object.entries(serverEvents))
        addEvent(name, declared, { name: event, example: examples.serverEvents[event] });
      if (relayed !== undefined) addEvent(name, relayed, { example: examples.relayed });
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

  /** The query string of the handshake, which is an HTTP request. */
  const toBindings = (query: z.ZodType): Part => ({
    ws: { method: 'GET', query: writer.toSchema(query), bindingVersion: '0.1.0' },
  });

  return { describe, messages: shared };
}

/** An example of an event of the server; without a name it is relayed under names that others choose. */
interface NamedExample {
  readonly name?: string;
  readonly example?: EventExample | undefined;
}

const isSame = (message: Part | undefined, text: string): boolean => JSON.stringify(message) === text;

function securityOf(scopes: readonly string[] | undefined, limits: readonly (string | undefined)[] = []): Part {
  const access = scopes === undefined ? [] : [`The token needs ${toScopes(scopes)}.`];
  const description = [...access, ...limits.filter((limit) => limit !== undefined)].join(' ');
  return {
    ...(description === '' ? {} : { description }),
    ...(scopes === undefined ? {} : { security: [{ $ref: '#/components/securitySchemes/token' }] }),
  };
}

const toScopes = (scopes: readonly string[]): string =>
  scopes.length === 0 ? 'no scope' : `one of the scopes: ${scopes.join(', ')}`;

const toParameters = (parameters: Readonly<Record<string, string>>): Part =>
  Object.fromEntries(Object.entries(parameters).map(([name, description]) => [name, { description }]));
