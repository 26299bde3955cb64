import { Types } from 'mongoose';

/** The general namespaces are one site. */
export const GENERAL_SITE = '';
/** Means every namespace of a site. */
export const EVERYWHERE = '*';

/** The owner of a mailbox. The same user id on two sites is two recipients. */
export interface Recipient {
  /** `''` for the general namespaces, else the name of a push site. */
  readonly site: string;
  readonly userId: string;
}

/** A recipient with the key that names its mailbox and its log in the database. */
export interface KeyedRecipient extends Recipient {
  readonly key: string;
}

/** Which call a message came by, for the delivery record. */
export interface MessageOrigin {
  /** The id of the node that took the call. */
  readonly node: string;
  /** The name of the API key; absent: the caller needed none, or is a push site. */
  readonly key?: string | undefined;
}

/** A message that a caller sends. */
export interface OutgoingMessage {
  readonly recipient: Recipient;
  /** Given with an idempotency key, else generated. A message with the id of a stored message is that message. */
  readonly id?: string | undefined;
  /** The namespace that it is sent to, or {@link EVERYWHERE}. */
  readonly namespace: string;
  readonly event: string;
  readonly args: readonly unknown[];
  /** Not delivered after this many milliseconds. Absent: kept until the device or the mailbox limit expires it. */
  readonly ttlMs?: number | undefined;
  /** When a device acknowledges it before an earlier message of the same event, the queue of the device is cleared. */
  readonly isResync?: boolean | undefined;
  /** Its status can be queried after it was acknowledged. */
  readonly keepsReceipt?: boolean | undefined;
  /** Of the call that sent it, for the delivery record. */
  readonly requestId?: string | undefined;
  readonly origin?: MessageOrigin | undefined;
  /** The span of that call; `undefined`: it is not traced. */
  readonly traceparent?: string | undefined;
  /** Sent by push if no device has acknowledged the message by then. */
  readonly push?: { readonly title: string; readonly body: string; readonly afterMs: number } | undefined;
}

/** A message that has its id. */
export type IdentifiedMessage = OutgoingMessage & { readonly id: string };

/** Unique for each recipient, whatever characters sites and user ids contain. */
export const keyOf = ({ site, userId }: Recipient): string => JSON.stringify([site, userId]);

/** The recipient of a key. */
export function recipientOf(key: string): KeyedRecipient {
  const [site, userId] = JSON.parse(key) as [string, string];
  return { site, userId, key };
}

/** The recipient of a stored key; `undefined` for what is no key. */
export function parseRecipient(key: string): KeyedRecipient | undefined {
  try {
    const parsed: unknown = JSON.parse(key);
    if (!Array.isArray(parsed) || parsed.length !== 2) return undefined;
    const [site, userId]: unknown[] = parsed;
    return typeof site === 'string' && typeof userId === 'string' ? { site, userId, key } : undefined;
  } catch {
    return undefined;
  }
}

/** The recipient with its key. */
export const withKey = ({ site, userId }: Recipient): KeyedRecipient => ({
  site,
  userId,
  key: keyOf({ site, userId }),
});

/** Whether a message that was sent to a namespace, or to {@link EVERYWHERE}, reaches the sockets of another. */
export const isHeardOn = (namespace: string, sentTo: string): boolean => sentTo === EVERYWHERE || sentTo === namespace;

/** A new id of a message, a node or a lease. */
export const newId = (): string => new Types.ObjectId().toHexString();
