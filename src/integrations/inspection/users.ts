import { toCanonicalId } from '#shared/contracts/primitives.js';
import type { Context } from '../../framework/context.js';
import { DeliveryDiagnostics } from '../../realtime/delivery/diagnostics/index.js';
import { toDevice } from '../../realtime/delivery/diagnostics/to-wire.js';
import { GENERAL_SITE } from '../../realtime/delivery/message.js';
import type { SocketDetails } from '../../realtime/local-node.js';
import type { RegisteredSocket } from '../../realtime/presence/index.js';
import { toConnection } from '../../realtime/presence/to-wire.js';
import { createCounterCheck } from '../conversation/index.js';
import type { People } from '../users/index.js';

/** Sockets of a user in one answer. */
const SOCKETS_MAX = 100;

/** How long an answer waits for a node. */
const WAIT_MS = 1000;

/** The call that asks a node for details of sockets. */
const DETAILS = 'socket-details';

/** Finds users, and reads the current state of one. */
export function createUserInspection(context: Context, people: People) {
  const { models, presence, revocations, nodeCalls, localNode } = context;
  const diagnostics = new DeliveryDiagnostics(context);
  const checkCounters = createCounterCheck(models);
  nodeCalls.handle(DETAILS, (socketIds) => localNode.details(socketIds as readonly string[]));

  /** Of a node that does not answer nothing is known. */
  const detailsOf = async (sockets: readonly RegisteredSocket[]): Promise<ReadonlyMap<string, SocketDetails>> => {
    const nodes = new Set(sockets.map(({ node }) => node));
    const answers = [...nodes].map(async (node) => {
      const ids = sockets.flatMap((socket) => (socket.node === node ? socket.socketId : []));
      const answer = nodeCalls.call({ node, name: DETAILS, request: ids }, WAIT_MS);
      return (await answer.catch(() => [])) as SocketDetails[];
    });
    return new Map((await Promise.all(answers)).flat().map((details) => [details.socketId, details]));
  };

  const socketsOf = async (userId: string) => {
    const { total, sockets: shown } = await presence.socketsOf(userId, { limit: SOCKETS_MAX });
    const details = await detailsOf(shown);
    const sockets = shown.map((socket) => ({ ...toConnection(socket), ...toShown(details.get(socket.socketId)) }));
    return { isOnline: total > 0, connections: total, sockets };
  };

  /** A user of the platform, or one who is connected or has a device. */
  const byId = async (userId: string) => {
    const [profile, [found], hasMailbox] = await Promise.all([
      people.profileOf(userId),
      presence.get([userId]),
      diagnostics.hasMailbox({ site: GENERAL_SITE, userId }),
    ]);
    const isOnline = found?.online === true;
    const isKnown = profile !== undefined || isOnline || hasMailbox;
    return isKnown ? { id: userId, ...toProfile(profile), isOnline } : undefined;
  };

  return {
    /** The user with this id, and users whose name begins with the text. */
    async search(text: string, limit: number) {
      const [withId, named] = await Promise.all([byId(toCanonicalId(text)), people.searchByName(text, limit)]);
      const others = (named?.users ?? []).filter(({ id }) => id !== withId?.id);
      const presences = await presence.get(others.map(({ id }) => id));
      const byName = others.map(({ id, ...profile }, index) => {
        const isOnline = presences[index]?.online === true;
        return { id, ...toProfile(profile), isOnline };
      });
      const users = [...(withId === undefined ? [] : [withId]), ...byName];
      const hasMore = named?.hasMore === true || users.length > limit;
      return { users: users.slice(0, limit), hasMore, isByName: named !== undefined };
    },

    /** Does not check that the user exists. */
    async inspect(userId: string) {
      const recipient = { site: GENERAL_SITE, userId };
      const [profile, connected, devices, blockedUntil, counters] = await Promise.all([
        people.profileOf(userId),
        socketsOf(userId),
        diagnostics.devices(recipient),
        revocations.blockedUntil(userId),
        checkCounters(userId),
      ]);
      return {
        id: userId,
        ...toProfile(profile),
        ...connected,
        blockedUntil: blockedUntil === undefined ? null : new Date(blockedUntil).toISOString(),
        devices: devices.map(toDevice),
        counters: counters ?? null,
      };
    },
  };
}

const toProfile = (profile: { name: string; accountId: string } | undefined) => ({
  name: profile?.name || null,
  accountId: profile?.accountId || null,
});

const toShown = (details: SocketDetails | undefined) => ({
  address: details?.address ?? null,
  client: details?.client ?? null,
  tokenExpiresAt: details?.tokenExpiresAt ?? null,
});
