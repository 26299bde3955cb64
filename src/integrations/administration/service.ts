import { GatewayError } from '../../errors.js';
import type { Context } from '../../framework/context.js';
import type { AskedBy } from '../../framework/routes.js';
import { DeliveryDiagnostics } from '../../realtime/delivery/diagnostics/index.js';
import { toDevice } from '../../realtime/delivery/diagnostics/to-wire.js';
import { GENERAL_SITE } from '../../realtime/delivery/message.js';
import type { NodeConnection, NodeInfo, PageRange } from '../../realtime/local-node.js';
import { toConnection } from '../../realtime/presence/to-wire.js';

/** Calls to a node. */
const CONNECTIONS = 'connections';
const DRAIN = 'drain';
const INFO = 'info';

const UNKNOWN: Record<keyof NodeInfo, null> = { name: null, version: null, connections: null, isDraining: null };

/** What operators ask: blocks, connections, devices and nodes. A node answers for itself; the others are called. */
export function createAdministrationService(context: Context) {
  const { presence, revocations, delivery, nodeCalls, localNode, clock, logger } = context;
  const diagnostics = new DeliveryDiagnostics(context);
  nodeCalls.handle(INFO, () => localNode.info());
  nodeCalls.handle(CONNECTIONS, (range) => localNode.connections(range as PageRange));
  nodeCalls.handle(DRAIN, () => localNode.drain());

  /** @throws GatewayError `NOT_FOUND` for a node that is not alive */
  const call = async <T>(node: string, name: string, request: unknown = {}): Promise<T> => {
    if (!(await presence.nodes()).includes(node)) throw new GatewayError('NOT_FOUND');
    return (await nodeCalls.call({ node, name, request })) as T;
  };

  const infoOf = async (id: string) => {
    const info = nodeCalls.call({ node: id, name: INFO, request: {} }) as Promise<NodeInfo>;
    return { id, ...(await info.catch(() => UNKNOWN)) };
  };

  return {
    /** Stored before it is applied, so that it survives the node. */
    async block(userId: string, durationMs: number, { apiKey: key, requestId }: AskedBy) {
      const until = clock.now() + durationMs;
      await revocations.block(userId, until);
      logger.info({ key, requestId, user: userId, blockMs: durationMs }, 'a user was blocked by a backend');
      return { blockedUntil: new Date(until).toISOString() };
    },

    async unblock(userId: string, { apiKey: key, requestId }: AskedBy) {
      const wasBlocked = await revocations.unblock(userId);
      logger.info({ key, requestId, user: userId, wasBlocked }, 'the block of a user was ended by a backend');
      return { wasBlocked };
    },

    async blockOf(userId: string) {
      const until = await revocations.blockedUntil(userId);
      return { blockedUntil: until === undefined ? null : new Date(until).toISOString() };
    },

    async connectionsOf(userId: string, { after, limit }: PageRange) {
      const { sockets } = await presence.socketsOf(userId, { after, limit: limit + 1 });
      return toPage(sockets.map(toConnection), limit);
    },

    async devicesOf(userId: string) {
      const recipient = { site: GENERAL_SITE, userId };
      const devices = await diagnostics.devices(recipient);
      return { devices: devices.map(toDevice) };
    },

    /** @throws GatewayError `NOT_FOUND` for an unknown device, `CONFLICT` for one that is connected */
    async forgetDevice({ userId, deviceId }: DeviceOfUser, { apiKey: key, requestId }: AskedBy) {
      const places = await presence.placesOf(userId);
      if (places.some((place) => place.deviceId === deviceId)) throw new GatewayError('CONFLICT');
      const isForgotten = await delivery.forgetDevice({ site: GENERAL_SITE, userId }, deviceId);
      if (isForgotten === undefined) throw new GatewayError('NOT_FOUND');
      if (!isForgotten) throw new GatewayError('CONFLICT');
      logger.info({ key, requestId, user: userId, device: deviceId }, 'a device was forgotten by a backend');
    },

    /** @throws GatewayError `NOT_FOUND` for an unknown device */
    async clearDevice({ userId, deviceId }: DeviceOfUser, { apiKey: key, requestId }: AskedBy) {
      const cleared = await delivery.clearQueue({ site: GENERAL_SITE, userId }, deviceId);
      if (cleared === undefined) throw new GatewayError('NOT_FOUND');
      logger.info(
        { key, requestId, user: userId, device: deviceId, cleared },
        'the queue of a device was cleared by a backend',
      );
      return { cleared };
    },

    nodes: async () => ({ nodes: await Promise.all((await presence.nodes()).map(infoOf)) }),

    async connectionsOfNode(node: string, range: PageRange) {
      const found = await call<NodeConnection[]>(node, CONNECTIONS, range);
      return toPage(
        found.map((connection) => ({ ...connection, node })),
        range.limit,
      );
    },

    /** The node answers before its clients are gone. */
    async drain(node: string, { apiKey: key, requestId }: AskedBy) {
      const connections = await call<number>(node, DRAIN);
      logger.info({ key, requestId, drainedNode: node, connections }, 'a node was drained by a backend');
      return { connections };
    },
  };
}

/** A device, by its user. */
interface DeviceOfUser {
  readonly userId: string;
  readonly deviceId: string;
}

/** The first entries, and where the next page begins. */
function toPage<T extends { readonly socketId: string }>(entries: readonly T[], limit: number) {
  const connections = entries.slice(0, limit);
  return { connections, next: entries.length > limit ? (connections.at(-1)?.socketId ?? null) : null };
}
