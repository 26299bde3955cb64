import { GatewayError } from '../../errors.js';
import type { Context } from '../../realtime/context.js';
import { userNamespaces } from '../../realtime/namespaces.js';
import type { Presence } from '../../realtime/presence/index.js';
import { rooms } from '../../realtime/rooms.js';

interface Emit {
  event: string;
  payload: unknown;
  /** One, or `*`: all namespaces of users. */
  namespace: string;
}

/** What the emit API does. */
export type EmitService = ReturnType<typeof createEmitService>;

/** Fire and forget: what is emitted reaches the sockets that are connected now, and is not stored. */
export function createEmitService({ emitter, presence }: Context) {
  return {
    toUser: ({ userId, event, payload, namespace }: Emit & { userId: string }): { sockets: number } => ({
      sockets: emitter.emit({ namespaces: spread(namespace), rooms: [rooms.user(userId)] }, { event, payload }),
    }),

    toEveryone({ event, payload, namespace, account }: Emit & { account: string | undefined }): { sockets: number } {
      const target = {
        namespaces: spread(namespace),
        ...(account === undefined ? {} : { rooms: [rooms.account(account)] }),
      };
      return { sockets: emitter.emit(target, { event, payload }) };
    },

    async disconnect(userId: string, reason: string | undefined): Promise<void> {
      const everywhere = { namespaces: userNamespaces, rooms: [rooms.user(userId)] };
      emitter.emit(everywhere, { event: 'disconnected', payload: { reason: reason ?? null } });
      emitter.disconnect(everywhere);
    },

    async presenceOf(userId: string) {
      const [found] = await presence.get([userId]);
      if (found === undefined) throw new GatewayError('INTERNAL_ERROR');
      return toWire(found);
    },

    presencesOf: async (userIds: readonly string[]) => (await presence.get(userIds)).map(toWire),
  };
}

const spread = (namespace: string): readonly string[] => (namespace === '*' ? userNamespaces : [namespace]);

const toWire = ({ since, ...rest }: Presence) => ({
  ...rest,
  since: since === null ? null : new Date(since).toISOString(),
});
