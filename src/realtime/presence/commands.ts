import { chunksOf } from '../../platform/lists.js';
import type { Redis } from '../../platform/redis/connect.js';
import { isForbidden } from '../../platform/redis/refusal.js';
import type { ScriptReply } from '../../platform/redis/script.js';
import type {
  ChangedUser,
  Place,
  Presence,
  PresenceEntry,
  RegisteredSocket,
  SocketPage,
  SocketRange,
} from './index.js';
import type { OfflineUser } from './pending-offline.js';
import { toPlace, toText } from './place.js';
import { type PresenceCall, type PresenceScript, reaperKey, socketsKey, userKey } from './scripts/define.js';
import { confirmOffline, tick } from './scripts/lease.js';
import { anySocket, readAllNodes, readNodes, readPlaces, readPresent, readSockets, readUsers } from './scripts/read.js';
import { chooseSockets, reapSockets } from './scripts/reaping.js';
import { changeSockets, leaveAgain } from './scripts/sockets.js';

/** Users or sockets per script: a script blocks Redis, so one call takes no more than a millisecond or two. */
export const CHUNK = 50;
/** Users of the script that only looks whether they are there, which takes a third of a millisecond for 500. */
const PRESENT_CHUNK = 500;

/** A socket in Redis, of any node. */
export interface SocketOfUser {
  userId: string;
  socketId: string;
}

/** A change of a socket of this node. */
export type SocketChange =
  | { readonly kind: 'add'; readonly socket: PresenceEntry }
  | { readonly kind: 'remove'; readonly socket: SocketOfUser & OfflineUser };

/** What a {@link SocketChange} has done. */
export interface Changed {
  /** It added the first socket of the user, or removed the last one. */
  readonly isEdge: boolean;
  /** As in {@link ChangedUser}. */
  readonly at: number;
}

/** The answer to a renewal of the lease. */
export interface Renewal {
  epoch: string;
  /** The lease had not expired since the last renewal that is known, so no other node has removed this node's sockets. */
  wasAlive: boolean;
  /** Names the time since when the lease has not expired. */
  leasedSince: string;
  /** Other nodes alive. */
  others: number;
  deadNodes: string[];
  /** Claimed by a node that has not confirmed reporting them. */
  unconfirmed: ChangedUser[];
  offline: ChangedUser[];
  /** Milliseconds until the next grace time ends. */
  nextDueMs: number | undefined;
}

/** The commands of one node. */
export type PresenceCommands = ReturnType<typeof createPresenceCommands>;

/** Binds the scripts to a node. Writes of sockets carry the node's `generation`. */
export function createPresenceCommands(options: {
  redis: Redis;
  nodeId: string;
  keyPrefix: string;
  graceMs: number;
  leaseMs: number;
}) {
  const { redis, nodeId, keyPrefix, graceMs, leaseMs } = options;
  const run = (script: PresenceScript, call: PresenceCall): Promise<ScriptReply> =>
    script(redis.commands, keyPrefix, call);

  return {
    /**
     * Adds and removes sockets of this node, in order.
     * @returns `undefined` when Redis has another generation of this node, and changed nothing
     */
    async change(changes: readonly SocketChange[], generation: number): Promise<Changed[] | undefined> {
      const reply = await run(changeSockets, {
        keys: [socketsKey(nodeId), ...changes.map(({ socket }) => userKey(socket.userId))],
        args: [nodeId, generation, graceMs, ...changes.flatMap(toArguments)],
      });
      if (reply === -1) return undefined;
      const [at = 0, ...edges] = reply as number[];
      return edges.map((edge) => ({ isEdge: edge === 1, at }));
    },
    /**
     * @param limit maximum number of users to claim
     * @param leasedSince of the last renewal that is known; empty: there is none
     */
    async renew(
      generation: number,
      { limit, leasedSince: known }: { limit: number; leasedSince: string },
    ): Promise<Renewal> {
      const reply = await run(tick, { args: [nodeId, generation, leaseMs, limit, known] });
      const [epoch, wasAlive, others, deadNodes, unconfirmed, offline, nextDueMs, leasedSince] = reply as TickReply;
      return {
        epoch,
        leasedSince,
        others,
        deadNodes,
        wasAlive: wasAlive === 1,
        nextDueMs: nextDueMs < 0 ? undefined : nextDueMs,
        unconfirmed: toChangedUsers(unconfirmed),
        offline: toChangedUsers(offline),
      };
    },
    async confirm(users: readonly OfflineUser[]): Promise<void> {
      if (users.length > 0) await run(confirmOffline, { args: users.map(({ userId }) => userId) });
    },
    /** Starts the grace time, at least `minGraceMs`, of users without a socket. */
    async leaveAgain(users: readonly OfflineUser[], minGraceMs: number): Promise<void> {
      for (const chunk of chunksOf(users, CHUNK)) {
        const flat = chunk.flatMap(({ userId, accountId }) => [userId, accountId]);
        const keys = chunk.map(({ userId }) => userKey(userId));
        await run(leaveAgain, { keys, args: [Math.max(graceMs, minGraceMs), ...flat] });
      }
    },
    /** The sockets of this node in Redis, in pages; one can be returned twice. */
    async *registered(): AsyncGenerator<SocketOfUser[]> {
      const key = keyPrefix + socketsKey(nodeId);
      let cursor = '0';
      do {
        const command = ['SSCAN', key, cursor, 'COUNT', String(CHUNK)];
        const [next, members] = await redis.commands.sendCommand<[string, string[]]>(command, key);
        cursor = next;
        yield members.map(toSocket);
      } while (cursor !== '0');
    },
    /** Removes the sockets of a dead node, or of this one. Each page yielded has been removed. */
    async *reap(node: string): AsyncGenerator<SocketOfUser[]> {
      const keys = [socketsKey(node), reaperKey(node)];
      let members: string[] = [];
      do {
        members = (await run(chooseSockets, { keys, args: [node, nodeId, leaseMs, CHUNK, ...members] })) as string[];
        if (members.length === 0) return;
        const sockets = members.map(toSocket);
        const users = sockets.map(({ userId }) => userKey(userId));
        const args = [node, nodeId, graceMs, ...members];
        if ((await run(reapSockets, { keys: [...keys, ...users], args })) !== 1) return;
        yield sockets;
      } while (members.length > 0);
    },
    async read(userIds: readonly string[]): Promise<Presence[]> {
      const answers = Array.from(chunksOf(userIds, CHUNK), async (chunk) => {
        const numbers = (await run(readUsers, { keys: chunk.map(userKey) })) as number[];
        return chunk.map((userId, i) => toPresence(userId, numbers[2 * i], numbers[2 * i + 1]));
      });
      return (await Promise.all(answers)).flat();
    },
    /** Those of the users who have a socket or are within the grace time. */
    async readPresent(userIds: readonly string[]): Promise<ReadonlySet<string>> {
      const present = new Set<string>();
      for (const chunk of chunksOf(userIds, PRESENT_CHUNK)) {
        const found = (await run(readPresent, { keys: chunk.map(userKey), args: chunk })) as string[];
        for (const userId of found) present.add(userId);
      }
      return present;
    },
    async hasSockets(): Promise<boolean> {
      const nodes = (await run(readAllNodes, {})) as string[];
      return nodes.length > 0 && (await run(anySocket, { keys: nodes.map(socketsKey) })) === 1;
    },
    async placesOf(userId: string): Promise<Place[]> {
      return ((await run(readPlaces, { keys: [userKey(userId)] })) as string[]).map(toPlace);
    },
    async socketsOf(userId: string, { after = '', limit }: SocketRange): Promise<SocketPage> {
      const answer = await run(readSockets, { keys: [userKey(userId)], args: [after, limit] });
      const [total, ...flat] = answer as [number, ...string[]];
      const count = flat.length / 4;
      return {
        total,
        sockets: Array.from({ length: count }, (_, i) => toRegistered(flat.slice(4 * i, 4 * i + 4))),
      };
    },
    nodes: async (): Promise<string[]> => (await run(readNodes, {})) as string[],
    /** The id of the process of Redis; `undefined`: this node may not ask for it. */
    async server(): Promise<string | undefined> {
      try {
        const info = await redis.commands.sendCommand<string>(['INFO', 'server'], keyPrefix);
        return /^run_id:(\w+)/m.exec(info)?.[1];
      } catch (error) {
        if (isForbidden(error)) return undefined;
        throw error;
      }
    },
  };
}

function toArguments({ kind, socket }: SocketChange): string[] {
  const { userId, socketId, accountId } = socket;
  if (kind === 'remove') return [kind, userId, socketId, accountId];
  const place = socket.place === undefined ? '' : toText(socket.place);
  return [kind, userId, socketId, `${socket.connectedAt}:${place}:${accountId}`];
}

type TickReply = [string, number, number, string[], string[], string[], number, string];

/** @param connections absent: the user has no socket */
export function toPresence(userId: string, connections = 0, since = 0): Presence {
  const online = connections > 0;
  return { userId, online, connections, since: online ? since : null };
}

/** From a flat list of user, account and time. */
function toChangedUsers(flat: readonly string[]): ChangedUser[] {
  return Array.from({ length: flat.length / 3 }, (_, i) => {
    const [userId = '', accountId = '', at] = flat.slice(3 * i, 3 * i + 3);
    return { userId, accountId, at: Number(at) };
  });
}

/** From node, socket, `connectedAt` and place. */
const toRegistered = ([node = '', socketId = '', connectedAt, place = '']: readonly string[]): RegisteredSocket => ({
  node,
  socketId,
  connectedAt: Number(connectedAt),
  place: place === '' ? undefined : toPlace(place),
});

/** From `<socket> <user>`. Socket ids have no space; user ids may. */
function toSocket(member: string): SocketOfUser {
  const space = member.indexOf(' ');
  return { socketId: member.slice(0, space), userId: member.slice(space + 1) };
}
