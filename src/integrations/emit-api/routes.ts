import { type emitApi, emitItem } from '#shared/contracts/emit-api.js';
import type { RouteHandlers } from '../../realtime/integration.js';
import { toGatewayError, toRequestFailure, toSuccess } from '../../transport/reply.js';
import { parse } from '../../validation.js';
import type { EmitService } from './service.js';

/** The REST of the emit API. */
export const createRoutes = (service: EmitService): RouteHandlers<typeof emitApi> => ({
  emit: async ({ params: { userId, event }, query: { namespace }, body }) =>
    service.toUser({ userId, event, payload: body, namespace }),
  emitBatch: async ({ body: { items } }) => ({
    items: items.map((item) => answerOf(() => service.toUser(parse(emitItem, item)))),
  }),
  broadcast: async ({ params: { event }, query: { namespace, account }, body }) =>
    service.toEveryone({ event, payload: body, namespace, account }),
  disconnect: async ({ params: { userId }, body }) => service.disconnect(userId, body?.reason),
  presence: async ({ params: { userId } }) => service.presenceOf(userId),
  presences: async ({ body: { userIds } }) => ({ users: await service.presencesOf(userIds) }),
});

/** The answer to one item of a batch: what the call alone would have answered. */
function answerOf<T>(call: () => T) {
  try {
    return { ...toSuccess(undefined), data: call() };
  } catch (error) {
    return toRequestFailure(toGatewayError(error));
  }
}
