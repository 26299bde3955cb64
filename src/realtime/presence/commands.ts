import type { Redis } from '../../platform/redis/connect.js';
import type { Script, ScriptReply } from '../../platform/redis/script.js';
import type { Departure } from './departures.js';
import type { Place, Presence, PresenceEntry } from './index.js';
import { toPlace, toText } from './place.js';
import {
  addSocket,
  confirmOffline,
  leaveAgain,
  readPlaces,
  readUsers,
  reapNode,
  removeSocket,
  tick,
} from './scripts.js';

/** Users or sockets per script: Redis serves nobody else meanwhile, so one call stays within a millisecond or two. */
export const CHUNK = 50;

/** A socket in Redis, of whatever node. */
export interface SocketOfUser {
  userId: string;
  socketId: string;
}

/** What a node learns when it renews its lease. */
export interface Renewal {
  epoch: string;
  /** The lease still ran, so nobody has removed this node's sockets. */
  wasAlive: boolean;
  /** Other nodes alive. */
  others: number;
  deadNodes: string[];
  /** Taken on by a node that did not confirm that it reported them. */
  unconfirmed: Departure[];
  offline: Departure[];
  /** Milliseconds until the next grace time ends. */
  nextDueMs: number | undefined;
}

/** Binds the scripts to a node. Writes of sockets carry the node's `generation`. */
export function createPresenceCommands(options: {
  redis: Redis;
  nodeId: string;
  keyPrefix: string;
  graceMs: number;
  leaseMs: number;
}) {
  const { redis, nodeId, keyPrefix, graceMs, leaseMs } = options;
  const run = (script: Script, ...args: (string | number)[]): Promise<ScriptReply> =>
    script(redis.commands, [keyPrefix], args.map(String));

  return {
    /** @returns `undefined` when Redis has another generation of this node */
    async add(entry: PresenceEntry, generation: number): Promise<{ isFirst: boolean } | undefined> {
      const place = entry.place === undefined ? '' : toText(entry.place);
      const value = `${entry.connectedAt}:${place}:${entry.accountId}`;
      const reply = await run(addSocket, nodeId, generation, entry.userId, entry.socketId, value);
      return reply === -1 ? undefined : { isFirst: reply === 1 };
    },
    /** @throws Error also when Redis has another generation of this node */
    async remove(socket: SocketOfUser & Departure, generation: number): Promise<{ isLast: boolean }> {
      const { userId, socketId, accountId } = socket;
      const reply = await run(removeSocket, nodeId, generation, userId, socketId, accountId, graceMs);
      if (reply === -1) throw new Error('Another generation of this node wrote since');
      return { isLast: reply === 2 };
    },
    /** @param limit most users to take on */
    async renew(generation: number, limit: number): Promise<Renewal> {
      const reply = await run(tick, nodeId, generation, leaseMs, limit);
      const [epoch, wasAlive, others, deadNodes, unconfirmed, offline, nextDueMs] = reply as TickReply;
      return {
        ...{ epoch, others, deadNodes, wasAlive: wasAlive === 1, nextDueMs: nextDueMs < 0 ? undefined : nextDueMs },
        ...{ unconfirmed: toDepartures(unconfirmed), offline: toDepartures(offline) },
      };
    },
    async confirm(users: readonly Departure[]): Promise<void> {
      if (users.length > 0) await run(confirmOffline, ...users.map(({ userId }) => userId));
    },
    /** Begins the grace time, of at least `minGraceMs`, of users who have no socket. */
    async leaveAgain(users: readonly Departure[], minGraceMs: number): Promise<void> {
      for (let i = 0; i < users.length; i += CHUNK) {
        const flat = users.slice(i, i + CHUNK).flatMap(({ userId, accountId }) => [userId, accountId]);
        await run(leaveAgain, Math.max(graceMs, minGraceMs), ...flat);
      }
    },
    /** Sockets that Redis holds of this node, in pages; one may come twice. */
    async *registered(): AsyncGenerator<SocketOfUser[]> {
      let cursor = '0';
      do {
        const page = await redis.commands.sScan(`${keyPrefix}sockets:${nodeId}`, cursor, { COUNT: CHUNK });
        cursor = page.cursor;
        yield page.members.map(toSocket);
      } while (cursor !== '0');
    },
    /** Removes the sockets of a dead node, or of this one. Each page yielded has been removed. */
    async *reap(node: string): AsyncGenerator<SocketOfUser[]> {
      let members: string[] = [];
      do {
        members = (await run(reapNode, node, nodeId, leaseMs, graceMs, CHUNK, ...members)) as string[];
        if (members.length > 0) yield members.map(toSocket);
      } while (members.length > 0);
    },
    async read(userIds: readonly string[]): Promise<Presence[]> {
      const chunks: string[][] = [];
      for (let i = 0; i < userIds.length; i += CHUNK) chunks.push(userIds.slice(i, i + CHUNK));
      const answers = await Promise.all(
        chunks.map(async (chunk) => {
          const numbers = (await run(readUsers, ...chunk)) as number[];
          return chunk.map((userId, i) => toPresence(userId, numbers[2 * i], numbers[2 * i + 1]));
        }),
      );
      return answers.flat();
    },
    async placesOf(userId: string): Promise<Place[]> {
      return ((await run(readPlaces, userId)) as string[]).map(toPlace);
    },
  };
}

type TickReply = [string, number, number, string[], string[], string[], number];

function toPresence(userId: string, connections = 0, since = 0): Presence {
  const online = connections > 0;
  return { userId, online, connections, since: online ? since : null };
}

/** From user and account in turn. */
function toDepartures(flat: readonly string[]): Departure[] {
  const users: Departure[] = [];
  for (let i = 0; i < flat.length; i += 2) users.push({ userId: flat[i] ?? '', accountId: flat[i + 1] ?? '' });
  return users;
}

/** From `<socket> <user>`. Socket ids have no space; user ids may. */
function toSocket(member: string): SocketOfUser {
  const space = member.indexOf(' ');
  return { socketId: member.slice(0, space), userId: member.slice(space + 1) };
}
