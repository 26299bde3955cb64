import { computed, effect, signal } from '@preact/signals';
import type { consoleApi } from '#shared/contracts/console.js';
import { type Answer, connection, refusals, request } from './api.js';
import { toFailure } from './api-error.js';

/** Who uses the page, and what the page may do; with `access` `null`: not logged in. */
export type Session = Answer<typeof consoleApi.routes.session>;

/** The session of a page that is logged in. */
export type OpenSession = Exclude<Session, { access: null }>;

/** The session; `undefined` until the gateway has answered. */
export const session = signal<Session | undefined>(undefined);

/** Whether a session has ended while the page was open; the log-in says so. */
export const hasEnded = signal(false);

/** Why the session could not be read. */
export const sessionFailure = signal<Error | undefined>(undefined);

/** Whether acts are allowed. The gateway decides; the page only leaves out what would be refused. */
export const mayAct = computed(() => session.value?.access === 'act');

/** Whether calls from this machine need no key: development without keys. */
export const isOpen = computed(() => {
  const current = session.value;
  return current !== undefined && current.access !== null && current.isOpen;
});

/** Reads the session, and forgets it when a call is refused. Called once, at the start. */
export async function startSession(): Promise<void> {
  effect(() => {
    const current = session.peek();
    if (refusals.value === 0 || current === undefined || current.access === null) return;
    hasEnded.value = true;
    session.value = { access: null, isDevelopment: current.isDevelopment };
  });
  // A node that was restarted may be of another version, and another node may answer.
  let wasAnswering = true;
  effect(() => {
    const { isAnswering } = connection.value;
    if (isAnswering && !wasAnswering) void readSession();
    wasAnswering = isAnswering;
  });
  setInterval(readAgain, AGAIN_MS);
  document.addEventListener('visibilitychange', readAgain);
  await readSession();
}

/** Views that load nothing would notice neither a gateway that is away nor that another tab has logged in or out. */
const AGAIN_MS = 10_000;

function readAgain(): void {
  if (!document.hidden && session.peek() !== undefined) void readSession();
}

/** Asks the gateway who uses the page. */
export async function readSession(): Promise<void> {
  const before = changes;
  try {
    const answer = await ask({});
    // An answer from before a change would take it back.
    if (changes === before) show(answer);
  } catch (error) {
    sessionFailure.value = toFailure(error);
  }
}

/**
 * Exchanges a key for a session.
 * @throws ApiError `INVALID_API_KEY` for a wrong key, `RATE_LIMITED` after too many
 */
export const logIn = (key: string): Promise<void> =>
  change(async () =>
    show(
      await ask({
        method: 'POST',
        body: JSON.stringify({ key }),
        headers: { 'content-type': 'application/json' },
      }),
    ),
  );

/** Ends the session. @throws ApiError */
export async function logOut(): Promise<void> {
  await change(async () => {
    await request('/session', { method: 'DELETE' });
    hasEnded.value = false;
    session.value = undefined;
  });
  await readSession();
}

/** Beginnings and ends of log-ins and log-outs. */
let changes = 0;

async function change(act: () => Promise<void>): Promise<void> {
  changes++;
  try {
    await act();
  } finally {
    changes++;
  }
}

async function ask(init: RequestInit): Promise<Session> {
  const response = await request('/session', init);
  const { data } = (await response.json()) as { data: Session };
  return data;
}

function show(current: Session): void {
  const old = session.peek();
  if (current.access === null && old !== undefined && old.access !== null) hasEnded.value = true;
  sessionFailure.value = undefined;
  // Nothing is drawn again for the same answer.
  if (JSON.stringify(current) !== JSON.stringify(old)) session.value = current;
}
