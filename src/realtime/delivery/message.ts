import { Types } from 'mongoose';

/** The general namespaces are one site. */
export const GENERAL_SITE = '';
/** Stands for every namespace of a site. */
export const EVERYWHERE = '*';

/** In the place of a namespace: the entry was purged, and only says that its position was given. */
export const PURGED = '';

/** Whose mailbox. A site never sees anything of another. */
export interface Recipient {
  /** `''`: the general namespaces, which are one site; else the name of a push site. */
  readonly site: string;
  readonly userId: string;
}

/** A message on its way into the mailbox. */
export interface OutgoingMessage {
  readonly recipient: Recipient;
  /** Given by the idempotency key; else made here. A message with the id of a stored one is that message. */
  readonly id?: string;
  /** Where it is heard; `*`: everywhere on the site. */
  readonly namespace: string;
  readonly event: string;
  readonly args: readonly unknown[];
  /** Not delivered after this many milliseconds; absent: until the mailbox itself forgets. */
  readonly ttlMs?: number;
  /** An acknowledgement out of order clears the device's queue. */
  readonly isResync?: boolean;
  /** Its state can be asked for. */
  readonly keepsReceipt?: boolean;
  /** Shown by push when no device has acknowledged it by then. */
  readonly push?: { readonly title: string; readonly body: string; readonly afterMs: number };
}

/** One message in the log of its recipient, as nodes tell each other. */
export interface Entry {
  /** The message. */
  readonly id: string;
  /** Key of the recipient. */
  readonly recipient: string;
  /** 1, 2, 3, … for each recipient, in the order in which messages were stored. */
  readonly position: number;
  readonly namespace: string;
  /** JSON of `[event, ...arguments]`. */
  readonly body: string;
  /** Unix time in milliseconds, by the clock of the node that stored it. */
  readonly createdAt: number;
  /** Unix time in milliseconds; `null`: no limit of its own. */
  readonly expireAt: number | null;
  readonly isResync: boolean;
  readonly keepsReceipt: boolean;
  /** A push follows unless a device acknowledges. */
  readonly hasPush: boolean;
}

/** The key of a recipient: no two of them share one, whatever characters sites and users are named by. */
export const keyOf = ({ site, userId }: Recipient): string => JSON.stringify([site, userId]);

/** The recipient of a key. */
export function recipientOf(key: string): Recipient {
  const [site, userId] = JSON.parse(key) as [string, string];
  return { site, userId };
}

/** Whether what was sent to a namespace, or to `*`, is heard on one. */
export const isHeardOn = (namespace: string, sentTo: string): boolean => sentTo === EVERYWHERE || sentTo === namespace;

/** A new id of a message. */
export const newId = (): string => new Types.ObjectId().toHexString();

/** The event's name and its arguments. */
export const contentOf = ({ body }: Pick<Entry, 'body'>): [string, ...unknown[]] => JSON.parse(body);

/** A message that has its id. */
export type NamedMessage = OutgoingMessage & { readonly id: string };
