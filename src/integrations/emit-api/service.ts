import type { z } from 'zod';
import type { emitApi } from '#shared/contracts/emit-api.js';
import { tokenNamespaces, userNamespaces } from '#shared/contracts/namespaces.js';
import { toCanonicalId } from '#shared/contracts/primitives.js';
import { GatewayError, invalid } from '../../errors.js';
import type { Context } from '../../framework/context.js';
import type { AskedBy } from '../../framework/routes.js';
import { withinMs } from '../../platform/time/within-ms.js';
import type { HistoryQuery } from '../../realtime/delivery/diagnostics/history.js';
import { DeliveryDiagnostics } from '../../realtime/delivery/diagnostics/index.js';
import { Idempotency, type Once } from '../../realtime/delivery/ingest/idempotency.js';
import type { SentMessage } from '../../realtime/delivery/ingest/sender.js';
import { GENERAL_SITE } from '../../realtime/delivery/message.js';
import type { Presence } from '../../realtime/presence/index.js';
import { rooms } from '../../realtime/rooms.js';
import { createBatchStart } from './batch-start.js';
import { toNotification } from './notification.js';
import type { Place } from './order.js';
import { createRepeats } from './repeats.js';
import { toDeliveries } from './to-wire.js';

interface Emit {
  event: string;
  payload: unknown;
  /** One namespace, or `*` for all user namespaces. */
  namespace: string;
}

/** An emit to one user. */
interface UserEmit extends Emit {
  userId: string;
  /** Absent: fire and forget. */
  durable?: { ttlMs?: number | undefined; push?: { afterMs?: number | undefined } | undefined };
}

/** Runs a task after the response was sent. */
export type WhenAnswered = (task: () => void) => void;

/** How a user is disconnected. */
interface Kick {
  /** Told to the clients. */
  reason: string | undefined;
  /** How long the user is blocked from reconnecting; stored before connections are closed. */
  blockMs: number | undefined;
}

/** The call that an emit belongs to. */
export interface EmitCall extends AskedBy {
  readonly traceparent: string | undefined;
  readonly whenAnswered: WhenAnswered;
  /** Of an item in a batch whose items wait for each other. */
  readonly place?: Place;
}

/** How long a disconnect waits for the number of sockets that it closes. */
const COUNTING_MAX_MS = 300;

/** Filters for a user's messages. */
type DeliveriesQuestion = Omit<HistoryQuery, 'recipient'> & { site?: string | undefined };

type TokenRevocation = z.output<(typeof emitApi)['routes']['revokeTokens']['body']>;

/** Clock tolerance for backends. */
const FUTURE_MAX_MS = 60_000;

/** The result. */
interface Emitted {
  sockets: number;
  id?: string;
  state?: 'queued' | 'sent';
}

/** The operations of the emit API. */
export type EmitService = ReturnType<typeof createEmitService>;

/**
 * A plain emit reaches connected sockets only. A durable emit is stored first, and also reaches devices that connect
 * later.
 */
export function createEmitService(context: Context) {
  const { config, emitter, presence, delivery, push, models, clock, logger } = context;
  const { revocations, localNode, onEmitted } = context;
  const diagnostics = new DeliveryDiagnostics(context);
  const idempotency = new Idempotency({ model: models.DeliveryKey, clock });
  const doAfterFirst = createRepeats();
  /** Sockets that plain emits have reached. */
  let reached = 0;

  const toUser = async (
    emit: UserEmit,
    { requestId, traceparent, apiKey: key, whenAnswered, place }: EmitCall,
    id?: string,
  ): Promise<Emitted> => {
    const { userId, event, payload, namespace, durable } = emit;
    if (durable !== undefined) {
      if (place?.before !== undefined) await place.before;
      // In one literal: each spread in the middle of one costs half a microsecond.
      const sending = delivery.send({
        id,
        recipient: { site: GENERAL_SITE, userId },
        namespace,
        event,
        args: [payload],
        ttlMs: durable.ttlMs,
        keepsReceipt: true,
        requestId,
        origin: key === undefined ? { node: localNode.id } : { node: localNode.id, key },
        traceparent,
        push: durable.push === undefined ? undefined : toPush(durable.push, payload),
      });
      place?.handOver();
      const sent = await sending;
      whenAnswered(sent.markAnswered);
      onEmitted({ userId, event, args: [payload], namespace, isDurable: true, id: sent.id });
      const state = sent.sockets > 0 || (await isElsewhere(userId, sent)) ? 'sent' : 'queued';
      return { id: sent.id, sockets: sent.sockets, state };
    }
    const target = { namespaces: spread(namespace), rooms: [rooms.user(userId)] };
    const sockets = emitter.emit(target, { event, payload });
    reached += sockets;
    onEmitted({ userId, event, args: [payload], namespace, isDurable: false });
    return { sockets };
  };

  const toPush = ({ afterMs = config.push.afterMs }: { afterMs?: number | undefined }, payload: unknown) =>
    push.isOn ? { ...toNotification(payload), afterMs } : undefined;

  /** Whether the user is connected to another node. While presence is unavailable the message counts as queued. */
  const isElsewhere = async (userId: string, sent: SentMessage): Promise<boolean> => {
    const isHeld = await sent.isElsewhere();
    // The sockets of push sites are in rooms of the same names.
    if (isHeld === false || (isHeld === true && config.sites.length === 0)) return isHeld;
    const found = await presence.get([userId]).catch(() => []);
    return found.some(({ online }) => online);
  };

  /** Sockets of a user on all nodes; `null` while presence is unavailable. */
  const countSockets = async (userId: string): Promise<number | null> => {
    const counted = presence.get([userId]).then(([found]) => found?.connections ?? null);
    return withinMs(COUNTING_MAX_MS, counted).catch(() => null);
  };

  return {
    /** For several calls of `toUser`. */
    startBatch: createBatchStart({ together: emitter.together, countReached: () => reached }),

    /** A key makes the emit idempotent, over all nodes. */
    async toUser(emit: UserEmit, call: EmitCall, key?: string): Promise<Once<Emitted>> {
      if (key === undefined) return { answer: await toUser(emit, call), isReplay: false };
      const ownKey = JSON.stringify([GENERAL_SITE, key]);
      return doAfterFirst(ownKey, () => idempotency.once(ownKey, emit, (id) => toUser(emit, call, id)));
    },

    /** @throws GatewayError `NOT_FOUND` for an id that is not a durable emit, or whose state has expired */
    async statusOf(id: string) {
      const found = await delivery.statusOf(id);
      if (found === undefined || found.site !== GENERAL_SITE) throw new GatewayError('NOT_FOUND');
      const { site: _site, ...status } = found;
      return status;
    },

    toEveryone({ event, payload, namespace, account }: Emit & { account: string | undefined }): { sockets: number } {
      const target = {
        namespaces: spread(namespace),
        ...(account === undefined ? {} : { rooms: [rooms.account(account)] }),
      };
      const sockets = emitter.emit(target, { event, payload });
      onEmitted({ event, args: [payload], namespace, isDurable: false, ...(account === undefined ? {} : { account }) });
      return { sockets };
    },

    /** Closes the connections of a user on every node. */
    async disconnect(userId: string, { reason, blockMs }: Kick, { apiKey: key, requestId }: AskedBy): Promise<void> {
      if (blockMs !== undefined) await revocations.revoke({ userId, blockedUntil: clock.now() + blockMs });
      const everywhere = { namespaces: tokenNamespaces, rooms: [rooms.user(userId)] };
      const socketsHere = emitter.emit(everywhere, { event: 'disconnected', payload: { reason: reason ?? null } });
      // Those that are closed are not counted. Without an answer of Redis they are closed all the same.
      const sockets = await countSockets(userId);
      emitter.disconnect(everywhere);
      const details = { key, requestId, user: userId, socketsHere, ...(blockMs !== undefined && { blockMs }) };
      logger.info({ ...details, sockets }, 'a user was disconnected by a backend');
    },

    /** @throws GatewayError `VALIDATION_ERROR` unless it names either a token or a user */
    async revokeTokens(revocation: TokenRevocation, { apiKey: key, requestId }: AskedBy): Promise<void> {
      const { jti, userId, issued_before: before, keep_seconds: keep } = revocation;
      const now = clock.now();
      const endsAt = keep === undefined ? undefined : now + Number(keep) * 1000;
      if ((jti === undefined) === (userId === undefined)) throw invalid('', 'needs either jti or userId');
      if (userId === undefined) {
        if (before !== undefined) throw invalid('issued_before', 'needs userId');
        await revocations.revoke({ tokenId: jti ?? '', endsAt });
        logger.info({ key, requestId, tokenId: jti }, 'tokens were revoked by a backend');
        return;
      }
      // `iat` has whole seconds: a token of this very moment counts as issued before.
      const issuedBefore = before === undefined ? now + 1 : Date.parse(before);
      if (issuedBefore > now + FUTURE_MAX_MS) throw invalid('issued_before', 'must not be in the future');
      await revocations.revoke({ userId, issuedBefore, endsAt });
      logger.info({ key, requestId, user: userId }, 'tokens were revoked by a backend');
    },

    async presenceOf(userId: string) {
      const [found] = await presence.get([userId]);
      if (found === undefined) throw new GatewayError('INTERNAL_ERROR');
      return toWire(found);
    },

    /** @throws GatewayError `NOT_FOUND` for an unknown site. Does not check that the user exists. */
    async deliveriesOf(userId: string, { site = GENERAL_SITE, ...question }: DeliveriesQuestion) {
      if (site !== GENERAL_SITE && !config.sites.some(({ name }) => name === site)) throw new GatewayError('NOT_FOUND');
      const recipient = { site, userId: site === GENERAL_SITE ? toCanonicalId(userId) : userId };
      const found = await diagnostics.report({ recipient, ...question });
      return toDeliveries(found, config.delivery.receiptTtlMs);
    },

    presencesOf: async (userIds: readonly string[]) => (await presence.get(userIds)).map(toWire),
  };
}

const spread = (namespace: string): readonly string[] => (namespace === '*' ? userNamespaces : [namespace]);

const toWire = ({ since, ...rest }: Presence) => ({
  ...rest,
  since: since === null ? null : new Date(since).toISOString(),
});
