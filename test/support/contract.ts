import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import type { ClientEvent, Contract, ServerEvent } from '#shared/contracts/contract.js';
import type { TestClient } from './client.js';

/** What was heard and answered that is not, exactly, what the contracts say. No test passes with one. */
export const wireFaults: string[] = [];

function check(what: string, schema: z.ZodType | undefined, found: unknown): void {
  const parsed = schema?.safeParse(found);
  if (isDeepStrictEqual(parsed?.data, found)) return;
  const text = JSON.stringify(found);
  // Metadata may have keys with this name, which Zod leaves out.
  const hasUncopied = parsed?.success === true && text.includes('"__proto__":');
  if (!hasUncopied) wireFaults.push(`${what}: ${text}`);
}

/** Compares everything that these contracts declare, and a client hears or gets as an answer; see {@link wireFaults}. */
export function holdToContracts(client: TestClient, contracts: readonly Contract[]): TestClient {
  const clientEvents: Record<string, ClientEvent> = Object.assign({}, ...contracts.map((one) => one.clientEvents));
  const serverEvents: Record<string, ServerEvent> = Object.assign({}, ...contracts.map((one) => one.serverEvents));
  client.socket.onAny((event: string, payload: unknown) => {
    if (event in serverEvents) check(event, serverEvents[event]?.payload, payload);
  });
  const ask: TestClient['ask'] = async (event, ...args) => {
    const answer = await client.ask(event, ...args);
    if (answer.success === true && event in clientEvents)
      check(`the answer to ${event}`, clientEvents[event]?.answer, answer.data);
    return answer;
  };
  return Object.assign(Object.create(client), { ask });
}
