import type { z } from 'zod';
import type { inspection } from '#shared/contracts/inspection.js';
import type { DeliveryPush } from '#shared/models/delivery.js';
import { GatewayError } from '../../errors.js';
import type { Context } from '../../framework/context.js';
import {
  DeliveryDiagnostics,
  type FoundMessage,
  type OutcomeReport,
} from '../../realtime/delivery/diagnostics/index.js';
import { Idempotency } from '../../realtime/delivery/ingest/idempotency.js';
import { GENERAL_SITE } from '../../realtime/delivery/message.js';
import type { LoggedEntry } from '../../realtime/delivery/storage/outcomes.js';

type Message = z.input<(typeof inspection)['routes']['message']['answer']>;
type Step = Message['steps'][number];
type Device = Message['devices'][number];
type Push = NonNullable<Message['push']>;
type StoredPush = Pick<DeliveryPush, 'dueAt' | 'attempts'>;

/** Finds messages, and reads what is recorded about them. */
export function createMessageInspection(context: Context) {
  const { models, clock } = context;
  const diagnostics = new DeliveryDiagnostics(context);
  const idempotency = new Idempotency({ model: models.DeliveryKey, clock });

  /** @throws GatewayError `NOT_FOUND` for an id that is not a durable message, or whose record has expired */
  const byId = async (id: string): Promise<Message> => {
    const [found, push] = await Promise.all([
      diagnostics.find(id),
      models.DeliveryPush.findById(id, { dueAt: 1, attempts: 1 }).lean<StoredPush | null>(),
    ]);
    if (found === undefined) throw new GatewayError('NOT_FOUND');
    return toMessage(found, push);
  };

  return {
    byId,
    /** @throws GatewayError as {@link byId}, also for a key that is not known any more */
    async byKey(key: string): Promise<Message> {
      const id = await idempotency.messageOf(JSON.stringify([GENERAL_SITE, key]));
      if (id === undefined) throw new GatewayError('NOT_FOUND');
      return byId(id);
    },
  };
}

function toMessage({ recipient, message }: FoundMessage, storedPush: StoredPush | null): Message {
  const { id, event, state, entry, outcomes } = message;
  const { site, userId } = recipient;
  const devices = outcomes.map((outcome) => toDevice(outcome, entry));
  const push = toPush(entry, storedPush);
  return {
    id,
    site: site === GENERAL_SITE ? null : site,
    userId,
    event,
    namespace: entry.namespace,
    isDurable: true,
    state,
    acceptedAt: entry.createdAt.toISOString(),
    node: entry.origin?.node ?? null,
    key: entry.origin?.key ?? null,
    requestId: entry.requestId ?? null,
    expiresAt: toIso(entry.expireAt),
    push,
    devices,
    steps: toSteps(entry, push, devices),
  };
}

/** A cursor shows that a message was acknowledged, but not when; only a receipt has the time. */
function toDevice({ deviceId, state, at, reason }: OutcomeReport, { outcomes = [] }: LoggedEntry): Device {
  const receipt = outcomes.find(({ device, expiry }) => device === deviceId && expiry === undefined);
  return {
    deviceId,
    state,
    at: toIso(at),
    reason,
    sentAt: state === 'sent' ? toIso(at) : null,
    acknowledgedAt: state === 'acked' ? toIso(receipt?.at) : null,
  };
}

function toPush({ hasPush, pushedAt }: LoggedEntry, stored: StoredPush | null): Push | null {
  if (pushedAt !== undefined) return { state: 'pushed', dueAt: null, attempts: null, pushedAt: toIso(pushedAt) };
  if (stored !== null) {
    return { state: 'waiting', dueAt: toIso(stored.dueAt), attempts: stored.attempts, pushedAt: null };
  }
  return hasPush === true ? { state: 'over', dueAt: null, attempts: null, pushedAt: null } : null;
}

function toSteps({ createdAt, origin }: LoggedEntry, push: Push | null, devices: readonly Device[]): Step[] {
  const steps: Step[] = [
    { at: createdAt.toISOString(), what: 'accepted', ...(origin && { detail: origin.node }) },
    ...(push?.dueAt == null ? [] : [{ at: push.dueAt, what: 'pushDue' as const }]),
    ...(push?.pushedAt == null ? [] : [{ at: push.pushedAt, what: 'pushed' as const }]),
    ...devices.flatMap(toDeviceSteps),
  ];
  return steps.sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
}

function toDeviceSteps({ deviceId, state, at, reason, sentAt, acknowledgedAt }: Device): Step[] {
  const device = deviceId === null ? {} : { deviceId };
  return [
    ...(sentAt === null ? [] : [{ at: sentAt, what: 'sent' as const, ...device }]),
    ...(acknowledgedAt === null ? [] : [{ at: acknowledgedAt, what: 'acknowledged' as const, ...device }]),
    ...(state === 'expired' && at !== null ? [{ at, what: 'expired' as const, ...device, detail: reason }] : []),
  ];
}

const toIso = (date: Date | null | undefined): string | null => date?.toISOString() ?? null;
