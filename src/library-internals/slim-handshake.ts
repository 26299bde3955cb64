import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Socket } from 'socket.io';
import { configuredNamespaces, type PublishedNamespace, publishedNamespaces } from '#shared/contracts/index.js';

/** Headers that namespaces need after the handshake. */
const KEPT_HEADERS = ['authorization', 'origin', 'x-forwarded-for', 'x-token'] as const;

/** The query parameters of the contracts. A client can send thousands of others. */
const KEPT_PARAMETERS: readonly string[] = [
  ...new Set(
    Object.values<PublishedNamespace>({ ...publishedNamespaces, ...configuredNamespaces }).flatMap(({ handshake }) =>
      Object.keys(handshake?.query?.shape ?? {}),
    ),
  ),
];

/** Socket.IO adds the parsed query. */
type HandshakeRequest = IncomingMessage & { _query?: Record<string, unknown> };

/** The part of Engine.IO's server that this file uses. */
interface Engine {
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): unknown;
}

type Listener = (...args: unknown[]) => void;

/**
 * Releases the HTTP requests of handshakes, several kilobytes each that Engine.IO keeps as long as the connection: as
 * `request`, and in a response for its middleware, which a listener of the TCP socket holds. Keeps what a later CONNECT to
 * another namespace needs.
 * @returns to be called with each new connection
 */
export function createRequestSlimmer(engine: Engine): (connection: { request: IncomingMessage }) => void {
  const ofResponses = new WeakMap<IncomingMessage, Listener>();
  const handleUpgrade = engine.handleUpgrade.bind(engine);
  engine.handleUpgrade = (request, socket, head) => {
    const count = socket.listenerCount('close');
    handleUpgrade(request, socket, head);
    const first = (socket.rawListeners('close') as Listener[])[count];
    // The response is created first and listens once. `ws` can follow in the same turn; by its listener it learns of the end.
    if (first !== undefined && 'listener' in first) ofResponses.set(request, first);
  };
  return function slimRequest(connection) {
    const { request } = connection;
    const listener = ofResponses.get(request);
    // Nothing waits for the end of the response once the connection is open.
    if (listener !== undefined) request.socket.off('close', listener);
    slim(connection);
  };
}

function slim(connection: { request: IncomingMessage }): void {
  const request: HandshakeRequest = connection.request;
  const headers = toObject(KEPT_HEADERS.map((name) => [name, request.headers[name]]));
  const _query = toObject(KEPT_PARAMETERS.map((name) => [name, request._query?.[name]]));
  const isEncrypted = 'encrypted' in request.socket;
  const rest = { headers, _query, connection: isEncrypted ? ENCRYPTED : PLAIN };
  const agent = toAgent(request.headers['user-agent']);
  const kept = headers === NOTHING && _query === NOTHING ? agent.slimmest[`${isEncrypted}`] : { ...rest, agent };
  connection.request = kept as unknown as IncomingMessage;
}

/** Shared by the many handshakes with nothing to keep. */
const NOTHING: Readonly<Record<string, unknown>> = Object.freeze({});
const ENCRYPTED = { encrypted: true };
const PLAIN = { encrypted: false };

/** The software of a client. Shared by its connections, so that a connection costs a reference. */
interface Agent {
  /** `undefined`: the client did not name it. */
  readonly text: string | undefined;
  /** What is kept of a handshake that has nothing else to keep. */
  readonly slimmest: Readonly<Record<'true' | 'false', object>>;
}

/** Different values that are shared; a client can send any. */
const AGENTS_MAX = 1000;
const AGENT_MAX_CHARACTERS = 200;

const agents = new Map<string, Agent>();

/** The value of a connection's header `User-Agent`, cut; `undefined`: the client sent none. */
export const userAgentOf = ({ request }: { readonly request: object }): string | undefined =>
  (request as { readonly agent?: Agent }).agent?.text;

function createAgent(text: string | undefined): Agent {
  const slimmest = (connection: object) => Object.freeze({ headers: NOTHING, _query: NOTHING, connection, agent });
  const agent: Agent = { text, slimmest: { true: {}, false: {} } };
  return Object.assign(agent, { slimmest: { true: slimmest(ENCRYPTED), false: slimmest(PLAIN) } });
}

const NO_AGENT = createAgent(undefined);

function toAgent(header: string | undefined): Agent {
  if (header === undefined) return NO_AGENT;
  // A slice would keep the whole header in memory.
  const text = Buffer.from(header.slice(0, AGENT_MAX_CHARACTERS), 'latin1').toString('latin1');
  const known = agents.get(text);
  if (known !== undefined) return known;
  const agent = createAgent(text);
  if (agents.size < AGENTS_MAX) agents.set(text, agent);
  return agent;
}

function toObject(entries: readonly (readonly [string, unknown])[]): Readonly<Record<string, unknown>> {
  const present = entries.filter(([, value]) => value !== undefined);
  return present.length === 0 ? NOTHING : Object.fromEntries(present);
}

/**
 * Removes the handshake of an accepted socket: credentials are not kept longer than needed, and the rest is in `socket.data`.
 */
export function forgetHandshake(socket: { handshake: Socket['handshake'] }): void {
  socket.handshake = FORGOTTEN;
}

const FORGOTTEN: Socket['handshake'] = Object.freeze({
  headers: {},
  time: '',
  address: '',
  xdomain: false,
  secure: false,
  issued: 0,
  url: '',
  query: {},
  auth: {},
});
