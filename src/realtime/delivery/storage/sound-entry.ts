/**
 * Only the gateway writes the log. A restored backup, a repair by hand or another tool may have left something else there
 * nevertheless, and one such document must not keep a user, or all, from what follows it.
 */
import { Types } from 'mongoose';
import { expiryReasons } from '#shared/models/delivery.js';
import { isPlain, noteFaults, readBoolean, readDate } from '../../../models/index.js';
import { type KeyedRecipient, parseRecipient } from '../message.js';

type Stored = Readonly<Record<string, unknown>>;

/** Positions are counted up from 1. No log gets this far. */
const POSITION_MAX = 2 ** 52;

/** Whether a stored value is a position of a log, or stands for "nothing yet". */
export const isPosition = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= POSITION_MAX;

/** Whether a value is a time; dates beyond those of JavaScript are none. */
export const isTime = (value: unknown): value is Date => value instanceof Date && !Number.isNaN(value.getTime());

/**
 * What a document of the log means; the same object unless something in it is odd, which is logged. What cannot be read is left
 * out; a message without a time is as old as its id.
 * @returns `undefined`: it has no position or no namespace, so it cannot be sent
 */
export function toSoundEntry<Entry extends object>(model: object, document: object): Entry | undefined {
  const stored = document as Stored;
  if (isSound(stored)) return document as Entry;
  const sound = toSound(stored);
  const isAddressed = isPosition(stored['position']) && typeof stored['namespace'] === 'string';
  const faults = Object.keys({ ...stored, ...sound }).filter((field) => sound[field] !== stored[field]);
  noteFaults(model, document, isAddressed ? faults : [...faults, 'position or namespace']);
  return isAddressed ? (sound as Entry) : undefined;
}

/** The recipient of a document of the log; `undefined`: it cannot be sent. */
export function recipientOfStored({ recipient, position, namespace }: Stored): KeyedRecipient | undefined {
  const isAddressed = isPosition(position) && position > 0 && typeof namespace === 'string';
  return isAddressed && typeof recipient === 'string' ? parseRecipient(recipient) : undefined;
}

function isSound(stored: Stored): boolean {
  const { _id, position, namespace, body, createdAt, expireAt, pushedAt, outcomes, requestId, traceparent } = stored;
  return (
    isPosition(position) &&
    typeof namespace === 'string' &&
    // Of a purged entry nothing else is left.
    (isTime(createdAt) || (createdAt === undefined && namespace === '')) &&
    isTextOrMissing(_id) &&
    isTextOrMissing(body) &&
    isTimeOrMissing(expireAt) &&
    isTimeOrMissing(pushedAt) &&
    isFlagOrMissing(stored['isResync']) &&
    isFlagOrMissing(stored['keepsReceipt']) &&
    isFlagOrMissing(stored['hasPush']) &&
    isTextOrMissing(requestId) &&
    isTextOrMissing(traceparent) &&
    (stored['origin'] === undefined || isOrigin(stored['origin'])) &&
    (outcomes === undefined || (Array.isArray(outcomes) && outcomes.every(isOutcome)))
  );
}

const isTextOrMissing = (value: unknown): boolean => value === undefined || typeof value === 'string';
const isFlagOrMissing = (value: unknown): boolean => value === undefined || typeof value === 'boolean';
const isTimeOrMissing = (value: unknown): boolean => value === undefined || isTime(value);

const isOrigin = (value: unknown): boolean =>
  isPlain(value) && isTextOrMissing(value['node']) && isTextOrMissing(value['key']);

const isOutcome = (value: unknown): boolean =>
  isPlain(value) &&
  typeof value['device'] === 'string' &&
  isTime(value['at']) &&
  (value['expiry'] === undefined || isReason(value['expiry'])) &&
  isFlagOrMissing(value['isExcluded']);

const isReason = (value: unknown): boolean => (expiryReasons as readonly unknown[]).includes(value);

function toSound(stored: Stored): Stored {
  const id = String(stored['_id']);
  const createdAt = readDate(stored['createdAt']) ?? timeOf(id);
  const sound: Record<string, unknown> = {
    _id: id,
    ...keep(stored, 'recipient'),
    position: stored['position'],
    namespace: stored['namespace'],
    createdAt,
    ...('body' in stored && { body: typeof stored['body'] === 'string' ? stored['body'] : '' }),
    ...keep(stored, 'head'),
  };
  for (const field of ['expireAt', 'pushedAt', 'checkAt']) set(sound, field, readDate(stored[field]));
  for (const field of ['isResync', 'keepsReceipt', 'hasPush']) set(sound, field, readBoolean(stored[field]));
  for (const field of ['requestId', 'traceparent'])
    if (isTextOrMissing(stored[field])) set(sound, field, stored[field]);
  if (isOrigin(stored['origin'])) sound['origin'] = stored['origin'];
  if (Array.isArray(stored['outcomes']))
    sound['outcomes'] = stored['outcomes'].flatMap((one) => toOutcome(one, createdAt));
  return sound;
}

const keep = (stored: Stored, field: string): Stored => (field in stored ? { [field]: stored[field] } : {});

function set(sound: Record<string, unknown>, field: string, value: unknown): void {
  if (value !== undefined) sound[field] = value;
}

/** What is noted of a device counts, even if it is not readable when or why. */
function toOutcome(value: unknown, createdAt: Date): object[] {
  if (isOutcome(value)) return [value as object];
  if (!isPlain(value) || typeof value['device'] !== 'string') return [];
  const { device, at, expiry, isExcluded } = value;
  return [
    {
      device,
      at: readDate(at) ?? createdAt,
      ...(expiry != null && { expiry: isReason(expiry) ? expiry : 'unreadable' }),
      ...(readBoolean(isExcluded) === true && { isExcluded: true }),
    },
  ];
}

/** When a message was sent, by its id. */
const timeOf = (id: string): Date => (/^[0-9a-f]{24}$/.test(id) ? new Types.ObjectId(id).getTimestamp() : new Date(0));
