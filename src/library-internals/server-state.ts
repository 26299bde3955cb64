/** What Socket.IO keeps of this node's namespaces, connections and sockets, and offers no public way to. */
import type { Server, Socket } from 'socket.io';

/** The namespaces of this node, by name. */
export const namespacesOf = <Namespaces>({ _nsps }: { readonly _nsps: Namespaces }): Namespaces => _nsps;

/** The options that a server was created with. */
export const optionsOf = <Options>({ _opts }: { readonly _opts: Options }): Options => _opts;

/** Every connection of this node, also those outside of namespaces. */
export function connectionsOf({ engine }: Pick<Server, 'engine'>): Socket['conn'][] {
  const { clients } = engine as unknown as { readonly clients: Readonly<Record<string, Socket['conn']>> };
  return Object.values(clients);
}

/** The id of a socket's connection, which it shares with its sockets of other namespaces. */
export const connectionIdOf = ({ client }: Pick<Socket, 'client'>): string => (client as unknown as { id: string }).id;

/** The sockets of all namespaces that share the connection of a socket. */
export function siblingsOf<AnySocket extends { readonly client: object }>({ client }: AnySocket): Iterable<AnySocket> {
  return (client as { readonly sockets: ReadonlyMap<string, AnySocket> }).sockets.values();
}

/** Removes a socket whose client has cancelled its CONNECT, without a reply. */
export const discard = (socket: { _cleanup(): void }): void => socket._cleanup();
