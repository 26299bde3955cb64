import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { z } from 'zod';
import type { deliveryQuestion } from '#shared/contracts/deliveries.js';
import { emitApi, emitItem } from '#shared/contracts/emit-api.js';
import { invalid } from '../../errors.js';
import { toGatewayError, toRequestFailure } from '../../framework/reply.js';
import type { RouteHandlers } from '../../framework/routes.js';
import { isYes, parse } from '../../validation.js';
import { createOrder, type Place } from './order.js';
import type { EmitCall, EmitService, WhenAnswered } from './service.js';

/** Route handlers of the emit API. */
export const createRoutes = (service: EmitService): RouteHandlers<typeof emitApi> => ({
  async emit({ params: { userId, event }, query, body, requestId, traceparent, apiKey, request, response }) {
    const key = keyOf(request.headers);
    const item = toEmit({ ...query, userId, event, payload: body });
    const { answer, isReplay } = await service.toUser(
      item,
      { requestId, traceparent, apiKey, whenAnswered: whenAnswered(response) },
      key,
    );
    if (isReplay) response.setHeader('Idempotent-Replay', 'true');
    return answer;
  },
  emitStatus: ({ params: { id } }) => service.statusOf(id),
  async emitBatch({ body: { items }, requestId, traceparent, apiKey, response }) {
    const call = { requestId, traceparent, apiKey, whenAnswered: whenAnswered(response) };
    // Without keys items are sent as they begin.
    const nextPlace = items.some(hasKey) ? createOrder() : undefined;
    return { items: await service.startBatch(items, (item) => toItemAnswer(service, item, { call, nextPlace })) };
  },
  broadcast: async ({ params: { event }, query: { namespace, account }, body }) =>
    service.toEveryone({ event, payload: body, namespace, account }),
  disconnect: async ({ params: { userId }, body, ...by }) =>
    service.disconnect(userId, { reason: body?.reason, blockMs: toMs(body?.block_seconds) }, by),
  revokeTokens: async ({ body, ...by }) => service.revokeTokens(body, by),
  presence: async ({ params: { userId } }) => service.presenceOf(userId),
  deliveries: async ({ params: { userId }, query }) => service.deliveriesOf(userId, toQuestion(query)),
  presences: async ({ body: { userIds } }) => ({ users: await service.presencesOf(userIds) }),
});

/** The idempotency key of a single call; most have none. */
function keyOf(headers: IncomingHttpHeaders): string | undefined {
  if (headers['idempotency-key'] === undefined) return undefined;
  return parse(emitApi.routes.emit.headers, headers)['idempotency-key'];
}

/** Runs tasks after the response was written. */
function whenAnswered(response: ServerResponse): WhenAnswered {
  let tasks: (() => void)[] | undefined;
  return (task) => {
    if (tasks === undefined) {
      const all: (() => void)[] = [];
      tasks = all;
      response.once('finish', () => {
        for (const run of all) run();
      });
    }
    tasks.push(task);
  };
}

/** The reply to one item of a batch, equal to the response of a single call. */
async function toItemAnswer(service: EmitService, item: unknown, { call, nextPlace }: ItemCall) {
  let place: Place | undefined;
  try {
    const { idempotencyKey: key, ...emit } = parse(emitItem, item);
    place = nextPlace?.(emit.userId);
    const { answer } = await service.toUser(toEmit(emit), place === undefined ? call : { ...call, place }, key);
    return { success: true, message: 'SUCCESS', data: answer } as const;
  } catch (error) {
    return toRequestFailure(toGatewayError(error));
  } finally {
    place?.handOver();
  }
}

interface ItemCall {
  readonly call: EmitCall;
  /** Absent: the items of the batch need no places. */
  readonly nextPlace: ((userId: string) => Place) | undefined;
}

const hasKey = (item: unknown): boolean => Object(item).idempotencyKey !== undefined;

const toMs = (seconds: number | string | undefined): number | undefined =>
  seconds === undefined ? undefined : Number(seconds) * 1000;

/** Converts the query to the filter of the service. */
const toQuestion = ({ since, limit, before, ...which }: z.output<typeof deliveryQuestion>) => ({
  ...which,
  limit: Number(limit),
  ...(since !== undefined && { since: Date.parse(since) }),
  ...(before !== undefined && { before: Number(before) }),
});

/**
 * Converts a call to an emit of the service.
 * @throws GatewayError `VALIDATION_ERROR` for an option without its prerequisite
 */
function toEmit(call: z.output<typeof emitItem>) {
  const { userId, event, payload, namespace, ttl, push_after: pushAfter } = call;
  const isPush = isYes(call.push);
  // Push depends on the acknowledgement, so it requires a durable message.
  const isDurable = isYes(call.durable) || (isPush && call.durable === undefined);
  if (!isDurable && ttl !== undefined) throw invalid('ttl', 'needs durable=true');
  if (!isDurable && isPush) throw invalid('push', 'needs durable=true');
  if (!isPush && pushAfter !== undefined) throw invalid('push_after', 'needs push=true');
  if (!isDurable) return { userId, event, payload, namespace };
  const ttlMs = ttl === undefined ? undefined : Number(ttl) * 1000;
  const push = isPush ? { afterMs: pushAfter === undefined ? undefined : Number(pushAfter) } : undefined;
  return { userId, event, payload, namespace, durable: { ttlMs, push } };
}
