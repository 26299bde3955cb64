import { RESERVED_EVENTS } from '#shared/contracts/primitives.js';
import type { IdentifiedMessage, KeyedRecipient, MessageOrigin } from '../message.js';

/** In the place of a namespace: the entry was purged and only proves that its position was taken. */
export const PURGED = '';
/**
 * Entries are purged at the earliest this long after they were stored. It is longer than any node trusts what it knows of the
 * last position, see `positions.ts`.
 */
const PURGE_MIN_AGE_MS = 300_000;

/** The name of an event and its arguments. */
export type Content = readonly [event: string, ...args: unknown[]];

/** What is stored of a message. */
export interface EntryFields {
  /** Id of the message. */
  readonly id: string;
  readonly recipient: KeyedRecipient;
  /** 1, 2, 3, … for each recipient, in the order in which messages were stored. */
  readonly position: number;
  readonly namespace: string;
  /** JSON of the {@link Content}. */
  readonly body: string;
  /** Unix time in milliseconds, by the clock of the node that stored it. */
  readonly createdAt: number;
  /** Unix time in milliseconds; `null`: no time limit of its own. */
  readonly expireAt: number | null;
  readonly isResync: boolean;
  readonly keepsReceipt: boolean;
  /** A push is sent unless a device acknowledges the message. */
  readonly hasPush: boolean;
  /** Of the call that sent it. */
  readonly requestId?: string | undefined;
  /** Only known where the message is stored. */
  readonly origin?: MessageOrigin | undefined;
  /** The span of that call; `undefined`: it is not traced. */
  readonly traceparent?: string | undefined;
}

/** What is kept of a message that was sent, until it is acknowledged: all but its content, which may be large. */
export interface SentEntry extends Omit<EntryFields, 'body'> {
  readonly event: string;
  /** Length of the body. */
  readonly characters: number;
}

/** One message in the log of its recipient. */
export interface Entry extends EntryFields {
  /** Parsed from the body when it is needed first, and shared by all sockets that are sent the message. */
  readonly content: Content;
  /** Whether the body is that of an event. Another body cannot be sent. */
  readonly isReadable: boolean;
  /** Made when it is needed first, and shared by all sockets that are sent the message. */
  readonly sent: SentEntry;
}

/** In the place of a content that cannot be read. */
const UNREADABLE: Content = [''];

function parse(body: string): Content {
  try {
    const content: unknown = JSON.parse(body);
    return isContent(content) ? content : UNREADABLE;
  } catch {
    return UNREADABLE;
  }
}

/** Socket.IO throws for an event with a name of its own. */
const isContent = (value: unknown): value is Content =>
  Array.isArray(value) && typeof value[0] === 'string' && !RESERVED_EVENTS.includes(value[0]);

/** Assigns field by field: a copy of an object with a getter takes ten times as long, and there is one for each message. */
class LogEntry implements Entry {
  readonly id: string;
  readonly recipient: KeyedRecipient;
  readonly position: number;
  readonly namespace: string;
  readonly body: string;
  readonly createdAt: number;
  readonly expireAt: number | null;
  readonly isResync: boolean;
  readonly keepsReceipt: boolean;
  readonly hasPush: boolean;
  readonly requestId: string | undefined;
  readonly origin: MessageOrigin | undefined;
  readonly traceparent: string | undefined;
  #content: Content | undefined;
  #sent: SentEntry | undefined;

  constructor(fields: EntryFields, content: Content | undefined) {
    this.id = fields.id;
    this.recipient = fields.recipient;
    this.position = fields.position;
    this.namespace = fields.namespace;
    this.body = fields.body;
    this.createdAt = fields.createdAt;
    this.expireAt = fields.expireAt;
    this.isResync = fields.isResync;
    this.keepsReceipt = fields.keepsReceipt;
    this.hasPush = fields.hasPush;
    this.requestId = fields.requestId;
    this.origin = fields.origin;
    this.traceparent = fields.traceparent;
    this.#content = content;
  }

  get content(): Content {
    this.#content ??= parse(this.body);
    return this.#content;
  }

  get isReadable(): boolean {
    return this.content !== UNREADABLE;
  }

  get sent(): SentEntry {
    this.#sent ??= {
      id: this.id,
      recipient: this.recipient,
      position: this.position,
      namespace: this.namespace,
      createdAt: this.createdAt,
      expireAt: this.expireAt,
      isResync: this.isResync,
      keepsReceipt: this.keepsReceipt,
      hasPush: this.hasPush,
      requestId: this.requestId,
      origin: this.origin,
      traceparent: this.traceparent,
      event: this.content[0],
      characters: this.body.length,
    };
    return this.#sent;
  }
}

/** @param content of the body, if it is known */
export const createEntry = (fields: EntryFields, content?: Content): Entry => new LogEntry(fields, content);

/** A message at its position in the log of its recipient. */
export function toEntry(
  message: IdentifiedMessage,
  { recipient, position, createdAt }: Pick<EntryFields, 'recipient' | 'position' | 'createdAt'>,
): Entry {
  const content: Content = [message.event, ...message.args];
  const fields: EntryFields = {
    id: message.id,
    recipient,
    position,
    namespace: message.namespace,
    body: JSON.stringify(content),
    createdAt,
    expireAt: message.ttlMs === undefined ? null : createdAt + message.ttlMs,
    isResync: message.isResync === true,
    keepsReceipt: message.keepsReceipt === true,
    hasPush: message.push !== undefined,
    requestId: message.requestId,
    origin: message.origin,
    traceparent: message.traceparent,
  };
  return createEntry(fields, content);
}

/** An entry as the database has it. Of a purged one only the first four fields are left. */
export interface StoredEntry {
  readonly _id: string;
  /** Key of the recipient. */
  readonly recipient: string;
  readonly position: number;
  readonly namespace: string;
  readonly body?: string;
  readonly createdAt?: Date;
  /** When the purge checks it next. */
  readonly checkAt?: Date;
  readonly expireAt?: Date;
  readonly isResync?: boolean;
  readonly keepsReceipt?: boolean;
  readonly hasPush?: boolean;
  readonly requestId?: string;
  readonly origin?: MessageOrigin;
  readonly traceparent?: string;
  /** Its outcome, by device. */
  readonly outcomes?: readonly { readonly device: string }[];
}

/** When an entry is stored, and how long its receipt is kept after that. */
interface Retention {
  /** Unix time in milliseconds. */
  readonly storedAt: number;
  readonly receiptTtlMs: number;
}

/** The document of an entry. */
export function toDocument(entry: EntryFields, { storedAt, receiptTtlMs }: Retention): StoredEntry {
  const document: { -readonly [Field in keyof StoredEntry]: StoredEntry[Field] } = {
    _id: entry.id,
    recipient: entry.recipient.key,
    position: entry.position,
    namespace: entry.namespace,
    body: entry.body,
    createdAt: new Date(entry.createdAt),
    checkAt: new Date(storedAt + PURGE_MIN_AGE_MS + (entry.keepsReceipt ? receiptTtlMs : 0)),
  };
  if (entry.expireAt !== null) document.expireAt = new Date(entry.expireAt);
  if (entry.isResync) document.isResync = true;
  if (entry.keepsReceipt) document.keepsReceipt = true;
  if (entry.hasPush) document.hasPush = true;
  if (entry.requestId !== undefined) document.requestId = entry.requestId;
  if (entry.origin !== undefined) document.origin = entry.origin;
  if (entry.traceparent !== undefined) document.traceparent = entry.traceparent;
  return document;
}

/** The entry of a document. */
export const fromDocument = (document: StoredEntry, recipient: KeyedRecipient): Entry =>
  createEntry({
    id: document._id,
    recipient,
    position: document.position,
    namespace: document.namespace,
    body: document.body ?? '[]',
    createdAt: document.createdAt?.getTime() ?? 0,
    expireAt: document.expireAt?.getTime() ?? null,
    isResync: document.isResync === true,
    keepsReceipt: document.keepsReceipt === true,
    hasPush: document.hasPush === true,
    requestId: document.requestId,
    traceparent: document.traceparent,
  });
