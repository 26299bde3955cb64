import { setTimeout as sleep } from 'node:timers/promises';
import type { TestClient } from '../../support/client.js';
import { dataOf, type TestEnvironment } from '../../support/environment.js';
import { call } from '../chat/community/community.js';

/** What changes nothing: another change came first, or many did. */
const REFUSALS: ReadonlySet<string> = new Set([
  'NOT_FOUND',
  'FORBIDDEN',
  'CONFLICT',
  'ALREADY_ASSIGNED',
  'VALIDATION_ERROR',
  'RATE_LIMITED',
]);
/** What may be stored or not: the database was away. */
const UNKNOWN = 'UNAVAILABLE';

// biome-ignore lint/suspicious/noExplicitAny: a test looks into an answer without declaring its form again
type Answer = any;

const codeOf = (answer: Answer): string => answer.code ?? answer.message;

/** The client has disconnected before it was answered. */
export class GoneError extends Error {}

const ask = async (client: TestClient, event: string, data: object): Promise<Answer> => {
  const answer = await Promise.race([client.ask(event, data), client.closed.then(() => undefined)]);
  if (answer === undefined) throw new GoneError();
  return answer;
};

/** Makes a call that may be refused, or whose outcome may stay unknown. @returns its data; `undefined` otherwise. @throws Error for any other failure */
export async function attempt(client: TestClient, event: string, data: object): Promise<Answer> {
  const answer = await ask(client, event, data);
  if (answer.success === true) return answer.data ?? {};
  if (codeOf(answer) !== UNKNOWN && !REFUSALS.has(codeOf(answer)))
    throw new Error(`${event}: ${JSON.stringify(answer)}`);
  return undefined;
}

/** How long a call is repeated. The longest limit of a user is that of a minute. */
const PATIENCE_MS = 300_000;

/** Codes of calls that may succeed in a moment. */
const PASSING: ReadonlySet<string> = new Set(['RATE_LIMITED', 'UNAVAILABLE']);

/**
 * Repeats a call while it is limited, or the database has lost a reply to it.
 * @returns `undefined`: what is read is gone, or the reader has lost access to it
 * @throws Error with the answer, when that stays so
 */
async function patiently(make: () => Promise<Answer>): Promise<Answer> {
  for (const end = Date.now() + PATIENCE_MS; ; ) {
    const answer = await make();
    if (codeOf(answer) === 'NOT_FOUND') return undefined;
    if (answer.success === true || !PASSING.has(codeOf(answer)) || Date.now() > end) return dataOf(answer);
    await sleep(200);
  }
}

/** Reads by an event. */
export const readBy = (client: TestClient, event: string, data: object): Promise<Answer> =>
  patiently(() => ask(client, event, data));

/** Reads over REST. */
export const readRest = (
  environment: TestEnvironment,
  { user, node }: { user: { readonly id: string }; node: number },
  path: string,
): Promise<Answer> => patiently(async () => (await call(environment, user, ['GET', path], node)).json);
