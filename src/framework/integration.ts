import type { StoredChange } from '../platform/mongo/changes.js';
import type { GatewaySocket, SocketListener } from '../sockets/socket.js';
import type { Entrance } from './entrance.js';
import type { Mount } from './events.js';
import type { Namespace } from './namespace.js';
import type { MountedRoute } from './routes.js';

/** Users who share something with a user. */
export interface Contacts {
  readonly userIds: readonly string[];
  /** Rooms of whole groups of such users. */
  readonly rooms: readonly string[];
}

/** A user who has come online or gone offline. */
export interface PresentUser {
  readonly userId: string;
  /** `''` when the user has none. */
  readonly accountId: string;
}

/** What was stored shortly before a node died, by all nodes. */
export interface LastChanges {
  /** Of one collection. */
  of(model: { readonly collection: { readonly collectionName: string } }): readonly StoredChange[];
  /** Those of them that the dead node has inserted. */
  insertedIn(model: { readonly collection: { readonly collectionName: string } }): readonly StoredChange[];
}

/** Sends again what a node may have stored and not sent. */
export interface Resending {
  /** Names of the collections in which changes are looked for. */
  readonly collections: readonly string[];
  /**
   * Sends what is stored of documents that were changed. Mostly it was sent already, so it must be what clients can be told twice.
   * The change may be by a user who is not known: users who could have a block with that user are not sent it.
   */
  send(changes: LastChanges): Promise<void>;
}

/** What every folder of `integrations` exports: contracts with their handlers, and lifecycle hooks. */
export interface Integration {
  readonly name: string;
  /** Namespaces that it declares. */
  readonly namespaces?: readonly Namespace[];
  readonly mounts?: readonly Mount[];
  readonly routes?: readonly MountedRoute[];
  readonly entrance?: Entrance;
  readonly listeners?: readonly Partial<SocketListener>[];
  /** Called when sockets were registered as present, on their node. */
  readonly onSocketsPresent?: (sockets: readonly GatewaySocket[]) => Promise<void>;
  /**
   * Called when the first socket of each of these users on any node is present, on the node of the socket. After an outage of
   * Redis it may be called for users who were online before.
   */
  readonly onUsersOnline?: (users: readonly PresentUser[]) => Promise<void>;
  /** Called when each of these users had no socket on any node for the grace time, on one node. */
  readonly onUsersOffline?: (users: readonly PresentUser[]) => Promise<void>;
  /** Users to notify when each of these users comes online or goes offline. Ids are ObjectIds in lower case. */
  readonly contactsOf?: (userIds: readonly string[]) => Promise<ReadonlyMap<string, Contacts>>;
  readonly resending?: Resending;
  /** Starts background work. @returns stops it; called while the database is still reachable */
  start?(): () => Promise<void>;
}
