import { isRecord } from './document.js';

/** A line of what went in and out. */
export interface Entry {
  readonly id: number;
  /** Unix time in milliseconds. */
  readonly at: number;
  /** It came in, it went out, or something happened to the connection. */
  readonly way: 'in' | 'out' | 'note';
  readonly event: string;
  readonly args: readonly unknown[];
  /** Of what went out, when it is there. */
  readonly answer?: undefined | { readonly value?: unknown; readonly error?: string; readonly tookMs: number };
  /** Of what came in and asks for an acknowledgement: whether it was given. */
  readonly isAcknowledged?: boolean;
  /** Ids of durable messages. */
  readonly deliveryIds?: readonly string[];
}

/** Lines that are kept. */
const ENTRIES_MAX = 200;

/** Adds a line at the beginning; the oldest are dropped. */
export const addEntry = (entries: readonly Entry[], entry: Entry): readonly Entry[] =>
  [entry, ...entries].slice(0, ENTRIES_MAX);

/** An event that arrived. */
export interface Arrived {
  readonly args: readonly unknown[];
  /** Of a durable message. */
  readonly acknowledge: (() => void) | undefined;
  readonly deliveryIds: readonly string[];
}

/**
 * Takes apart what Socket.IO passes on: the arguments, then of a durable message its header with the ids, which this client
 * asked for, and the acknowledgement.
 */
export function toArrived(event: string, given: readonly unknown[]): Arrived {
  const last = given.at(-1);
  if (typeof last !== 'function') return { args: given, acknowledge: undefined, deliveryIds: [] };
  const header = given.at(-2);
  const acknowledge = (): void => void Reflect.apply(last, undefined, []);
  const deliveryIds = toIds(event, header);
  const args = given.slice(0, deliveryIds.length > 0 ? -2 : -1);
  return { args, acknowledge, deliveryIds };
}

function toIds(event: string, header: unknown): string[] {
  if (!isRecord(header)) return [];
  const { deliveryId, deliveryIds } = header;
  const ids = event === '_batch' ? deliveryIds : [deliveryId];
  return Array.isArray(ids) ? ids.filter((id): id is string => typeof id === 'string') : [];
}

/** The user of a token, as it says itself; nothing is verified. Empty: it says none. */
export function userOfToken(token: string): string {
  try {
    const [, payload = ''] = token.split('.');
    const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (sign) =>
      sign.charCodeAt(0),
    );
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    const user = isRecord(claims) ? (claims['uid'] ?? claims['sub']) : undefined;
    return typeof user === 'string' || typeof user === 'number' ? String(user) : '';
  } catch {
    return '';
  }
}

/** The first of the scopes that a namespace or event asks for, in the words of its document; empty: none. */
export const scopeIn = (access: string): string => /one of the scopes: ([\w:-]+)/.exec(access)?.[1] ?? '';
