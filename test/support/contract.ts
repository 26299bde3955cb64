import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import type { ClientEvent, Contract, ServerEvent } from '#shared/contracts/contract.js';
import type { TestClient } from './client.js';

/** What was heard and answered that is not, exactly, what the contracts say. No test passes with one. */
export const wireFaults: string[] = [];

/** Notes what is not, exactly, as a schema says. */
export function checkWire(what: string, schema: z.ZodType | undefined, found: unknown): void {
  const parsed = schema?.safeParse(found);
  if (isDeepStrictEqual(parsed?.data, found)) return;
  const text = JSON.stringify(found);
  // Metadata may have keys with this name, which Zod leaves out.
  const hasUncopied = parsed?.success === true && text.includes('"__proto__":');
  if (!hasUncopied) wireFaults.push(`${what}: ${text}`);
}

/**
 * Compares everything that these contracts declare, and a client hears or gets as an answer; see {@link wireFaults}.
 * @param about stands before each fault
 */
export function holdToContracts(client: TestClient, contracts: readonly Contract[], about = ''): TestClient {
  const clientEvents: Record<string, ClientEvent> = Object.assign({}, ...contracts.map((one) => one.clientEvents));
  const serverEvents: Record<string, ServerEvent> = Object.assign({}, ...contracts.map((one) => one.serverEvents));
  client.socket.onAny((event: string, payload: unknown) => {
    if (event in serverEvents) checkWire(about + event, serverEvents[event]?.payload, payload);
  });
  const ask: TestClient['ask'] = async (event, ...args) => {
    const answer = await client.ask(event, ...args);
    if (answer.success === true && event in clientEvents)
      checkWire(`${about}the answer to ${event}`, clientEvents[event]?.answer, answer.data);
    return answer;
  };
  return Object.assign(Object.create(client), { ask });
}
