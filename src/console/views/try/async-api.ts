import { isRecord, type Json, readRecord, readText, resolve } from './document.js';

/** An event of a namespace, from the AsyncAPI document. */
export interface EventOffer {
  readonly name: string;
  readonly summary: string;
  /** Scopes, limits and costs; empty: none. */
  readonly description: string;
  /** The arguments of the example; empty: there is none. */
  readonly example: readonly unknown[];
  /** Which arguments are binary data, such as a file. The example has a text in their place. */
  readonly binaryAt: readonly number[];
}

/** A namespace that clients connect to. */
export interface Namespace {
  /** Such as `/v1/shared`, or `/{site}`. */
  readonly address: string;
  readonly summary: string;
  /** Of connecting: the scopes that a token needs. */
  readonly access: string;
  /** Whether a client shows a token in its `auth`. */
  readonly takesToken: boolean;
  /** The `auth` of the example. */
  readonly authExample: unknown;
  /** What a client sends. */
  readonly sends: readonly EventOffer[];
  /** What a client receives. A name that is empty: any name. */
  readonly receives: readonly EventOffer[];
}

/** How the document says that a payload is the list of all arguments. */
const ALL_ARGUMENTS = /\s*The payload is the list of all arguments\.$/;

/** The namespaces of an AsyncAPI document, in its order. What it does not hold is left out. */
export function toNamespaces(document: unknown): Namespace[] {
  const operations = Object.entries(readRecord(document, 'operations'));
  return Object.entries(readRecord(document, 'channels')).map(([id, channel]) => {
    const own = operations.flatMap(([key, operation]) => {
      const [, way, name] = key.startsWith(`${id}.`) ? (/^(on|emit)\.(.+)$/s.exec(key.slice(id.length + 1)) ?? []) : [];
      return way === undefined || name === undefined || !isRecord(operation) ? [] : [{ way, name, operation }];
    });
    const connect = own.find(({ way, name }) => way === 'on' && name === 'connect');
    const request = messageOf(document, connect?.operation);
    return {
      address: readText(channel, 'address'),
      summary: readText(channel, 'description'),
      access: readText(connect?.operation, 'description'),
      takesToken: 'token' in readRecord(readRecord(request, 'payload'), 'properties'),
      authExample: exampleOf(request),
      sends: own
        .filter(({ way, name }) => way === 'on' && name !== 'connect')
        .map(({ name, operation }) => toOffer(document, name, operation)),
      receives: own
        .filter(({ way }) => way === 'emit')
        .map(({ name, operation }) => toOffer(document, name === 'relayed' ? '' : name, operation)),
    };
  });
}

function toOffer(document: unknown, name: string, operation: Json): EventOffer {
  const message = messageOf(document, operation);
  const example = exampleOf(message);
  const takesAll = ALL_ARGUMENTS.test(readText(message, 'summary'));
  const args = takesAll && Array.isArray(example) ? example : [example];
  return {
    name,
    summary: readText(operation, 'summary'),
    description: readText(operation, 'description'),
    example: example === undefined ? [] : args,
    binaryAt: takesAll ? toBinaryAt(readRecord(message, 'payload')['items']) : [],
  };
}

const toBinaryAt = (items: unknown): number[] =>
  Array.isArray(items) ? items.flatMap((item, index) => (readText(item, 'format') === 'binary' ? index : [])) : [];

/** The first message of an operation; operations refer to channels, and channels to messages. */
function messageOf(document: unknown, operation: Json | undefined): Json | undefined {
  const messages = operation?.['messages'];
  return Array.isArray(messages) ? resolve(document, messages[0]) : undefined;
}

function exampleOf(message: Json | undefined): unknown {
  const examples = message?.['examples'];
  return Array.isArray(examples) && isRecord(examples[0]) ? examples[0]['payload'] : undefined;
}
