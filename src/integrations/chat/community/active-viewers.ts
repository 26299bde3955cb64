import { chatNamespace } from '#shared/contracts/namespaces.js';
import type { PresenceStore } from '../../../realtime/presence/index.js';
import type { SocketListener } from '../../../sockets/socket.js';
import { ChatError } from '../shared/index.js';

/** Chats that one socket can leave; far more than a client shows. */
const LEFT_MAX = 500;

/** A participant who is not viewing the chat. */
export interface Absentee {
  readonly userId: string;
  /** They have sockets, all of which have left the chat. */
  readonly isConnected: boolean;
}

/**
 * Which users are viewing which chat, over all nodes. A socket on `/` views every chat of its user until it leaves it. So
 * the store holds the sockets and the chats that they left, under the lease of their node.
 */
export interface ActiveViewers {
  /** @throws ChatError `CONFLICT` for a socket that has left too many */
  leave(socket: ChatSocket, chatId: string): Promise<void>;
  enter(socket: ChatSocket, chatId: string): Promise<void>;
  /** The users without a socket in the chat. @throws GatewayError `UNAVAILABLE` while Redis is unreachable */
  absentFrom(chatId: string, userIds: readonly string[]): Promise<Absentee[]>;
  /** Whether a user has a socket in the chat; `undefined` for a user without any socket. @throws as `absentFrom` */
  has(chatId: string, userId: string): Promise<boolean | undefined>;
  readonly listener: SocketListener;
  start(): () => Promise<void>;
}

/** A socket and its user. */
interface ChatSocket {
  readonly socketId: string;
  readonly userId: string;
}

/** The keys of the presence store. */
const keys = {
  connected: (userId: string): string => `user:${userId}`,
  /** Sockets that left a chat. Most chats have none, which saves the second query. */
  left: (chatId: string): string => `left:${chatId}`,
  leftBy: (chatId: string, userId: string): string => `left:${chatId}:${userId}`,
};

/** @param store for the sockets of chats alone: its keys are users and chats */
export function createActiveViewers(store: PresenceStore): ActiveViewers {
  /** Chats left by each socket of this node; `undefined` for most. */
  const leftBySocket = new Map<string, Set<string> | undefined>();

  const entry = (userId: string, socketId: string) => ({ userId, socketId, connectedAt: 0, accountId: '' });
  const entriesOf = ({ socketId, userId }: ChatSocket, chatId: string) => [
    entry(keys.left(chatId), `${socketId}/${chatId}`),
    entry(keys.leftBy(chatId, userId), `${socketId}/${chatId}/own`),
  ];

  const enter = async (socket: ChatSocket, chatId: string): Promise<void> => {
    const left = leftBySocket.get(socket.socketId);
    if (left?.delete(chatId) !== true) return;
    await Promise.all(entriesOf(socket, chatId).map(store.remove));
  };

  const disconnect = async (socket: ChatSocket): Promise<void> => {
    const left = [...(leftBySocket.get(socket.socketId) ?? [])];
    leftBySocket.delete(socket.socketId);
    // Its left chats first; otherwise more sockets could have left a chat than are connected.
    await Promise.all(left.flatMap((chatId) => entriesOf(socket, chatId)).map(store.remove));
    await store.remove(entry(keys.connected(socket.userId), socket.socketId));
  };

  const absentFrom: ActiveViewers['absentFrom'] = async (chatId, userIds) => {
    const [left, ...sockets] = await store.get([keys.left(chatId), ...userIds.map(keys.connected)]);
    const people = userIds.map((userId, index) => ({ userId, connections: sockets[index]?.connections ?? 0 }));
    const connected = people.filter(({ connections }) => connections > 0);
    const absent = people.filter(({ connections }) => connections === 0);
    const gone = absent.map(({ userId }) => ({ userId, isConnected: false }));
    if (left?.online !== true || connected.length === 0) return gone;
    const leftBy = await store.get(connected.map(({ userId }) => keys.leftBy(chatId, userId)));
    const lookingAway = connected.filter(({ connections }, index) => (leftBy[index]?.connections ?? 0) >= connections);
    return [...gone, ...lookingAway.map(({ userId }) => ({ userId, isConnected: true }))];
  };

  return {
    async leave(socket, chatId) {
      // The socket may have disconnected during the access check.
      if (!leftBySocket.has(socket.socketId)) return;
      const left = leftBySocket.get(socket.socketId) ?? new Set();
      if (left.has(chatId)) return;
      if (left.size >= LEFT_MAX) throw new ChatError('CONFLICT', 'Too many chats were left');
      leftBySocket.set(socket.socketId, left.add(chatId));
      await Promise.all(entriesOf(socket, chatId).map(store.add));
    },
    enter,
    absentFrom,
    async has(chatId, userId) {
      const [absentee] = await absentFrom(chatId, [userId]);
      return absentee?.isConnected === false ? undefined : absentee === undefined;
    },
    listener: {
      connected({ id, nsp, data: { principal } }) {
        if (nsp.name !== chatNamespace || principal.kind !== 'user') return;
        leftBySocket.set(id, undefined);
        void store.add(entry(keys.connected(principal.userId), id));
      },
      disconnected({ id, nsp, data: { principal } }) {
        if (nsp.name !== chatNamespace || principal.kind !== 'user') return;
        void disconnect({ socketId: id, userId: principal.userId });
      },
    },
    start() {
      const ignore = (): void => undefined;
      const started = store.start({ online: ignore, offline: ignore, lost: ignore, restored: ignore });
      return async () => {
        await started;
        await store.stop();
      };
    },
  };
}
