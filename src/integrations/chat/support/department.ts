import { isObjectIdOrHexString, Types } from 'mongoose';
import { departmentNamespace } from '#shared/contracts/namespaces.js';
import { departmentQuery } from '#shared/contracts/support.js';
import type { Context } from '../../../framework/context.js';
import type { Integration, PresentUser } from '../../../framework/integration.js';
import type { Namespace } from '../../../framework/namespace.js';
import { startPolling } from '../../../platform/time/poller.js';
import type { PresenceEntry } from '../../../realtime/presence/index.js';
import { sendPresence } from '../../../realtime/presence/notify.js';
import { departmentIn, rooms } from '../../../realtime/rooms.js';
import type { GatewaySocket, SocketListener } from '../../../sockets/socket.js';
import { safeParse } from '../../../validation.js';
import { type Authentication, type Blocks, ChatError, type Snapshots, toRefusal } from '../shared/index.js';
import type { ConversationAccess } from './access.js';
import type { Memberships } from './memberships.js';
import type { Publisher } from './publisher.js';

/** How often a node checks the membership of its connected agents. */
const INTERVAL_MS = 5000;

interface Dependencies {
  authentication: Authentication;
  blocks: Blocks;
  access: ConversationAccess;
  isWatched: () => Promise<boolean>;
  memberships: Memberships;
  snapshots: Snapshots;
  publisher: Publisher;
}

type Part = Required<Pick<Integration, 'onUsersOnline' | 'onUsersOffline' | 'start' | 'listeners'>>;

/** The namespace `/department`: access, membership checks and presence of agents. */
export function createDepartments(
  { models, presence, chatPresence, clock, logger }: Context,
  { authentication, blocks, access, isWatched, memberships, snapshots, publisher }: Dependencies,
): Part & { namespace: Namespace } {
  const sockets = new Map<GatewaySocket, string>();

  const namespace: Namespace = {
    name: departmentNamespace,
    scopes: [],
    authenticate: authentication.authenticate,
    async roomsOf(principal, { query }) {
      const asked = safeParse(departmentQuery, query);
      if (principal.kind !== 'user' || !asked.success) throw notMember();
      const { _id } = await authentication.enteringAs(principal);
      const id = new Types.ObjectId(asked.data.departmentId);
      if (!(await access.membersOf(id)).some((member) => member.equals(_id))) throw notMember();
      return [rooms.department(id.toHexString())];
    },
    toRefusal,
  };

  /** Sends the online members to a new socket. */
  const sendSnapshot = async (socket: GatewaySocket, departmentId: string): Promise<void> => {
    try {
      const { principal } = socket.data;
      await snapshots.begin(principal);
      const [members, blocked] = await Promise.all([
        access.membersOf(new Types.ObjectId(departmentId)),
        blocks.of(principal.kind === 'user' ? principal.userId : ''),
      ]);
      const shown = members.map((id) => id.toHexString()).filter((id) => !blocked.has(id));
      await snapshots.pay(principal, shown.length);
      socket.emit('presence_snapshot', { online: [...(await presence.presentAmong(shown))] });
    } catch (error) {
      logger.warn({ err: error }, 'support: sending the presence snapshot of a department failed');
    }
  };

  const publish = async (userId: string, isOnline: boolean): Promise<boolean> => {
    const event = isOnline ? 'agent_online' : 'agent_offline';
    const id = userId.toLowerCase();
    const [memberOf, blocked] = await Promise.all([memberships([id]), blocks.of(userId)]);
    const departments = memberOf.get(id) ?? [];
    const except = [userId, ...blocked];
    for (const { departmentId } of departments) {
      publisher.department(departmentId, { event, payload: { userId, departmentId } }, except);
    }
    return departments.length > 0;
  };
  const publishPresence = async (users: readonly PresentUser[], isOnline: boolean): Promise<void> => {
    const ids = users.map(({ userId }) => userId).filter(isObjectIdOrHexString);
    if (ids.length === 0 || !(await isWatched())) return;
    const send = (userId: string): Promise<void> =>
      sendPresence(presence, { userId, isOnline, send: (state) => publish(userId, state) });
    const results = await Promise.allSettled(ids.map(send));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  };

  /** Disconnects agents who are no longer members. Other services change members without notification. */
  const poll = async (): Promise<void> => {
    // A copy: a socket that connects during the query may be in a department that was not queried.
    const watched = [...sockets];
    if (watched.length === 0) return;
    const ids = [...new Set(watched.map(([, departmentId]) => departmentId))];
    const found = await models.Department.find({ _id: { $in: ids } }, { members: 1 }).lean();
    const members = new Map(found.map((one) => [one._id.toHexString(), new Set((one.members ?? []).map(String))]));
    for (const [socket, departmentId] of watched) {
      const { principal } = socket.data;
      const isMember =
        principal.kind === 'user' && members.get(departmentId)?.has(principal.userId.toLowerCase()) === true;
      if (!isMember) socket.disconnect();
    }
  };

  const listener: SocketListener = {
    connected(socket) {
      if (socket.nsp.name !== departmentNamespace) return;
      const departmentId = departmentIn(socket.rooms);
      if (departmentId === undefined) return;
      sockets.set(socket, departmentId);
      void chatPresence.add(toEntry(socket, departmentId));
      void sendSnapshot(socket, departmentId);
    },
    disconnected(socket) {
      const departmentId = sockets.get(socket);
      sockets.delete(socket);
      if (departmentId !== undefined) void chatPresence.remove(toEntry(socket, departmentId));
    },
  };

  return {
    namespace,
    listeners: [listener],
    onUsersOnline: (users) => publishPresence(users, true),
    onUsersOffline: (users) => publishPresence(users, false),
    start() {
      const onError = (error: unknown): void =>
        logger.warn({ err: error }, 'support: checking members failed; retrying');
      return startPolling({ clock, intervalMs: INTERVAL_MS, poll, onError });
    },
  };
}

/** Its agents are notified who connects and disconnects, so they count among the sockets of the chats. */
const toEntry = ({ id }: GatewaySocket, departmentId: string): PresenceEntry => ({
  userId: `department:${departmentId}`,
  socketId: id,
  connectedAt: 0,
  accountId: '',
});

const notMember = () => new ChatError('FORBIDDEN', 'Not a member of this department');
