import { Types } from 'mongoose';
import { type Entry, type NamedMessage, newId } from './message.js';
import type { NewPush } from './push-store.js';

/** A message for one device. */
export function toEntry(
  { id, event, args, namespace, ttlMs, push, isResync = false, keepsReceipt = false }: NamedMessage,
  { now, ...address }: Pick<Entry, 'recipient' | 'device' | 'seq' | 'isSent'> & { now: number },
): Entry {
  const body = JSON.stringify([event, ...args]);
  const expireAt = ttlMs === undefined ? null : now + ttlMs;
  const hasPush = push !== undefined;
  return { id: newId(), message: id, ...address, namespace, body, isResync, keepsReceipt, hasPush, expireAt };
}

/** The push that follows a message; none for most. */
export function toPushes({ id, recipient: { userId }, event, push }: NamedMessage): NewPush[] {
  if (push === undefined) return [];
  const { title, body, afterMs } = push;
  return [{ userIds: [userId], notification: { title, body, data: { id, event } }, isFallback: true, afterMs }];
}

/** An entry as the database has it. */
export interface StoredEntry {
  _id: Types.ObjectId;
  message: string;
  recipient: string;
  device: string | null;
  seq: number;
  namespace: string;
  body: string;
  isResync?: boolean;
  keepsReceipt?: boolean;
  hasPush?: boolean;
  expireAt?: Date;
  state: string;
}

/** An entry that nobody has acknowledged yet, as it is stored. */
export const toDocument = (
  { id, expireAt, isResync, keepsReceipt, hasPush, isSent, ...entry }: Entry,
  now: number,
) => ({
  _id: new Types.ObjectId(id),
  ...entry,
  isPending: true,
  state: isSent ? 'sent' : 'queued',
  at: new Date(now),
  createdAt: new Date(now),
  ...(expireAt === null ? {} : { expireAt: new Date(expireAt) }),
  ...(isResync ? { isResync } : {}),
  ...(keepsReceipt ? { keepsReceipt } : {}),
  ...(hasPush ? { hasPush } : {}),
});

/** An entry as it was stored. */
export const fromDocument = ({
  _id,
  message,
  recipient,
  device,
  seq,
  namespace,
  body,
  ...rest
}: StoredEntry): Entry => ({
  ...{ id: _id.toHexString(), message, recipient, device, seq, namespace, body },
  isResync: rest.isResync === true,
  keepsReceipt: rest.keepsReceipt === true,
  hasPush: rest.hasPush === true,
  expireAt: rest.expireAt?.getTime() ?? null,
  isSent: rest.state !== 'queued',
});
