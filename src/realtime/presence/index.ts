/**
 * Which users are connected, over all nodes.
 *
 * Each socket of an authenticated user is registered under a lease that its node renews in the background. A node that is
 * killed stops renewing; its sockets are gone within {@link PRESENCE_LIMIT_MS}, and a surviving node reports them.
 * "First in" and "last out" are decided in the store, atomically. A user whose last socket left counts as offline only
 * after a grace time, so that a page reload causes no event.
 */

/** A killed node's sockets are gone within this time. */
export const PRESENCE_LIMIT_MS = 15_000;

/** A user as the store knows them. The grace time delays events only: without a socket a user is not online. */
export interface Presence {
  userId: string;
  online: boolean;
  /** Number of sockets on all nodes. */
  connections: number;
  /** Unix time in milliseconds of the oldest socket that is still connected; `null` when offline. */
  since: number | null;
}

/** One connected socket. */
export interface PresenceEntry {
  userId: string;
  socketId: string;
  /** Unix time in milliseconds. */
  connectedAt: number;
  /** Reported when the user goes offline and has no socket left. */
  accountId: string;
  /** Absent when it is not needed. */
  place?: Place;
}

/** Where a socket is. */
export interface Place {
  readonly namespace: string;
  readonly deviceId: string;
}

/** A user who came online or went offline. */
export interface ChangedUser {
  readonly userId: string;
  readonly accountId: string;
  /**
   * When the store learned of it: Unix time in milliseconds by the clock of the store. Times of one user are in the order of
   * the changes, whichever nodes they were made on, because clocks of nodes are not compared.
   */
  readonly at: number;
}

/** What {@link PresenceStore.add} answers. `at` as in {@link ChangedUser}. */
export type Added = { readonly isFirst: false } | { readonly isFirst: true; readonly at: number };

/** Events of the store; each is reported on exactly one node. */
export interface PresenceEvents {
  /**
   * A user has a socket on this node, and {@link PresenceStore.add} could not say whether it is the first, because the store
   * was away. Also reported of users who were online before, when the store has forgotten them.
   */
  online(user: ChangedUser): void;
  /** A user has had no socket anywhere for the grace time. `at` is its end. */
  offline(user: ChangedUser): void;
  /** Sockets of a node that died without removing them. */
  lost(sockets: { userId: string; socketId: string }[]): void;
  /** This node's own sockets were registered again, after its lease had run out or the store had forgotten them. */
  restored(sockets: PresenceEntry[]): void;
}

/** A registered socket of a user. */
export interface RegisteredSocket {
  readonly node: string;
  readonly socketId: string;
  /** Unix time in milliseconds. */
  readonly connectedAt: number;
  readonly place: Place | undefined;
}

/** Some sockets of a user: the first after one, in the order of their ids. */
export interface SocketRange {
  /** Absent: from the first. */
  readonly after?: string | undefined;
  readonly limit: number;
}

/** A page of the sockets of a user. */
export interface SocketPage {
  /** All sockets of the user. */
  readonly total: number;
  /** In the order of their ids. */
  readonly sockets: readonly RegisteredSocket[];
}

/** The contract of both versions; one conformance suite runs against each. */
export interface PresenceStore {
  /** Begins to renew leases and to report. @returns `isAlone`: no other node was alive, so everything stored elsewhere about live sockets is stale. */
  start(events: PresenceEvents): Promise<{ isAlone: boolean }>;
  /**
   * Never rejects: a failed write is repeated later, and `isFirst` is `false` then; {@link PresenceEvents.online} follows.
   * @returns `isFirst`: the user had no socket anywhere and was not within the grace time.
   */
  add(entry: PresenceEntry): Promise<Added>;
  /** Unknown sockets are ignored. Never rejects, as `add`. @returns `isLast`: none is left anywhere; the grace time begins. */
  remove(entry: PresenceEntry): Promise<{ isLast: boolean }>;
  /** In the order asked, one entry each. @throws GatewayError `UNAVAILABLE` when the store cannot be reached. */
  get(userIds: readonly string[]): Promise<Presence[]>;
  /**
   * Those of the users of whom an offline event is still to come: they have a socket, or are within the grace time. Everything
   * that this node published before has reached Redis by then.
   * @throws GatewayError as `get`
   */
  presentAmong(userIds: readonly string[]): Promise<ReadonlySet<string>>;
  /**
   * Whether any node has a socket; those of a node that died count until they are removed. This node knows its own, so Redis is not
   * asked while it has one. @throws GatewayError as `get`
   */
  hasSockets(): Promise<boolean>;
  /** Where the sockets of a user are, on all nodes; each place once, in no order. @throws GatewayError as `get` */
  placesOf(userId: string): Promise<Place[]>;
  /** Sockets of a user, on all nodes. The answer is bounded by the range, however many there are. @throws GatewayError as `get` */
  socketsOf(userId: string, range: SocketRange): Promise<SocketPage>;
  /** The ids of the nodes that are alive, this one among them. @throws GatewayError as `get` */
  nodes(): Promise<string[]>;
  /** Stops renewing and releases this node's lease; sockets that are still registered are removed. */
  stop(): Promise<void>;
}
