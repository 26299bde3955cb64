import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import type { ClientEvent, Contract, ServerEvent } from '#shared/contracts/contract.js';
import type { TestClient } from './client.js';

/** What was heard and answered that is not, exactly, what the contracts say. */
export const wireFaults: string[] = [];

function check(what: string, schema: z.ZodType | undefined, found: unknown): void {
  const parsed = schema?.safeParse(found);
  if (!isDeepStrictEqual(parsed?.data, found)) wireFaults.push(`${what}: ${JSON.stringify(found)}`);
}

/** Compares everything that a client hears and gets as an answer with the contracts; see {@link wireFaults}. */
export function holdToContracts(client: TestClient, contracts: readonly Contract[]): TestClient {
  const clientEvents: Record<string, ClientEvent> = Object.assign({}, ...contracts.map((one) => one.clientEvents));
  const serverEvents: Record<string, ServerEvent> = Object.assign({}, ...contracts.map((one) => one.serverEvents));
  client.socket.onAny((event: string, payload: unknown) => {
    if (event in serverEvents) check(event, serverEvents[event]?.payload, payload);
  });
  const ask: TestClient['ask'] = async (event, ...args) => {
    const answer = await client.ask(event, ...args);
    if (answer.success === true) check(`the answer to ${event}`, clientEvents[event]?.answer, answer.data);
    return answer;
  };
  return Object.assign(Object.create(client), { ask });
}
