import { signal } from '@preact/signals';
import { io, type Socket } from 'socket.io-client';
import { request } from '../../api.js';
import { toFailure } from '../../api-error.js';
import { currentTime } from '../../clock.js';
import { addEntry, type Entry, toArrived } from './log.js';

/** Who connects, and where to. */
export interface Target {
  readonly namespace: string;
  readonly userId: string;
  readonly scope: string;
  readonly accountId: string;
  /** A token of one's own; empty: the gateway makes one, in development. */
  readonly token: string;
  /** More fields of `auth`, for namespaces that take no token. */
  readonly auth?: Readonly<Record<string, unknown>> | undefined;
}

/** The connection of the playground. */
export type Link =
  | { readonly phase: 'off' }
  | { readonly phase: 'connecting' | 'lost'; readonly target: Target; readonly why?: string }
  | { readonly phase: 'on'; readonly target: Target; readonly socketId: string }
  | { readonly phase: 'failed'; readonly target: Target; readonly error: Error };

/** The connection. It stays open while other views are shown. */
export const link = signal<Link>({ phase: 'off' });

/** What went in and out, newest first. */
export const entries = signal<readonly Entry[]>([]);

/** Whether durable events are acknowledged at once. Without, one can see what waits. */
export const isAcknowledging = signal(true);

/** The id of this browser as a device. */
export function deviceId(): string {
  const stored = localStorage.getItem(DEVICE);
  if (stored !== null) return stored;
  // `crypto.randomUUID` is there on secure origins only.
  const [random = 0] = crypto.getRandomValues(new Uint32Array(1));
  const made = `console-${random.toString(36)}`;
  localStorage.setItem(DEVICE, made);
  return made;
}

const DEVICE = 'console:device';
const ANSWER_MS = 10_000;

let socket: Socket | undefined;

/** Connects; a connection that is open is closed first. Resolves when it is connected. Rejects with the refusal. */
export async function connect(target: Target): Promise<void> {
  disconnect();
  link.value = { phase: 'connecting', target };
  try {
    const { namespace } = target;
    const token = target.auth === undefined ? await tokenFor(target) : '';
    const opened = io(namespace, {
      forceNew: true,
      transports: ['websocket'],
      query: token === '' ? {} : { deviceId: deviceId() },
      auth: target.auth ?? { token, deviceId: deviceId(), deliveryIds: true },
    });
    // Another connect may have begun meanwhile.
    socket?.disconnect();
    socket = opened;
    await new Promise<void>((done, fail) => follow(opened, { target, done, fail }));
  } catch (error) {
    const failure = toFailure(error);
    link.value = { phase: 'failed', target, error: failure };
    throw failure;
  }
}

/** Ends the connection. */
export function disconnect(): void {
  socket?.disconnect();
  socket = undefined;
  link.value = { phase: 'off' };
}

/** Sends an event, and notes its answer. */
export async function emit(event: string, args: readonly unknown[]): Promise<void> {
  const current = socket;
  if (current === undefined) return;
  const startedAt = performance.now();
  const id = note({ way: 'out', event, args });
  const answer = await current
    .timeout(ANSWER_MS)
    .emitWithAck(event, ...args)
    .then(
      (value: unknown) => ({ value }),
      () => ({ error: `no answer within ${ANSWER_MS / 1000} s` }),
    );
  const tookMs = performance.now() - startedAt;
  entries.value = entries.value.map((entry) => (entry.id === id ? { ...entry, answer: { ...answer, tookMs } } : entry));
}

/** Empties the list. */
export function clear(): void {
  entries.value = [];
}

/** A token for a user, made by the gateway. @throws ApiError */
async function tokenFor({ token, userId, scope, accountId }: Target): Promise<string> {
  if (token !== '') return token;
  const body = { uid: userId, scope, ...(accountId === '' ? {} : { account_id: accountId }) };
  const response = await request('/token', {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });
  const { data } = (await response.json()) as { data: { token: string } };
  return data.token;
}

interface Following {
  readonly target: Target;
  readonly done: () => void;
  readonly fail: (error: Error) => void;
}

/** Follows a socket until it is replaced. */
function follow(opened: Socket, { target, done, fail }: Following): void {
  const isCurrent = (): boolean => socket === opened;
  opened.on('connect', () => {
    if (!isCurrent()) return;
    link.value = { phase: 'on', target, socketId: opened.id ?? '' };
    note({ way: 'note', event: 'connected', args: [{ namespace: target.namespace, socketId: opened.id }] });
    done();
  });
  opened.on('connect_error', (error: Error & { data?: unknown }) => {
    if (!isCurrent()) return;
    note({ way: 'note', event: 'connect_error', args: [{ message: error.message, data: error.data }] });
    // A refusal is final; otherwise the client tries again by itself.
    if (opened.active) link.value = { phase: 'lost', target, why: error.message };
    else {
      const refused = new Error(`The gateway refused the connection: ${error.message}`);
      link.value = { phase: 'failed', target, error: refused };
      fail(refused);
    }
  });
  opened.on('disconnect', (reason) => {
    if (!isCurrent()) return;
    note({ way: 'note', event: 'disconnect', args: [{ reason }] });
    link.value = opened.active
      ? { phase: 'lost', target, why: reason }
      : { phase: 'failed', target, error: new Error(`The gateway closed the connection: ${reason}`) };
  });
  opened.onAny((event: string, ...given: unknown[]) => {
    if (!isCurrent()) return;
    const { args, acknowledge, deliveryIds } = toArrived(event, given);
    if (isAcknowledging.value) acknowledge?.();
    note({
      way: 'in',
      event,
      args,
      deliveryIds,
      ...(acknowledge === undefined ? {} : { isAcknowledged: isAcknowledging.value }),
    });
  });
}

let lastId = 0;

function note(entry: Omit<Entry, 'id' | 'at'>): number {
  lastId++;
  entries.value = addEntry(entries.value, { ...entry, id: lastId, at: currentTime() });
  return lastId;
}
