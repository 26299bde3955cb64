import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { GatewayError, isErrorCode } from '../errors.js';
import type { Clock } from '../platform/time/clock.js';
import { type Bus, ofForm } from './bus.js';

/** How long a node waits for the answer of another one. */
const ANSWER_MS = 3000;

const CALLS = 'node-calls';
const ANSWERS = 'node-answers';

/** Answers a call. What it takes and returns travels as JSON. @throws GatewayError, which the calling node throws too */
type Handler = (request: unknown) => unknown;

/** Calls from one node to another. */
export interface NodeCalls {
  /** Answers calls of this name on this node. */
  handle(name: string, handler: Handler): void;
  /**
   * Calls a node, which may be this one.
   * @param timeoutMs 3 s by default
   * @throws GatewayError `UNAVAILABLE` when it does not answer in time: it may have done what was asked
   */
  call(call: NodeCall, timeoutMs?: number): Promise<unknown>;
}

/** What is asked of which node. */
interface NodeCall {
  readonly node: string;
  readonly name: string;
  readonly request: unknown;
}

interface Dependencies {
  readonly bus: Bus;
  readonly clock: Clock;
  /** Of this node. */
  readonly nodeId: string;
}

const callForm = z.object({
  id: z.string(),
  from: z.string(),
  to: z.string(),
  name: z.string(),
  request: z.unknown().optional(),
});
const answerForm = z.object({
  id: z.string(),
  to: z.string(),
  value: z.unknown().optional(),
  code: z.string().optional(),
});
type Call = z.output<typeof callForm>;
type Answer = z.output<typeof answerForm>;

/** Request and answer over the bus, which can lose both. */
export function createNodeCalls({ bus, clock, nodeId }: Dependencies): NodeCalls {
  const handlers = new Map<string, Handler>();
  const waiting = new Map<string, (answer: Answer) => void>();

  const answer = async ({ id, from, name, request }: Call): Promise<void> => {
    try {
      const value = await handlers.get(name)?.(request);
      bus.publishTo(from, ANSWERS, { id, to: from, value });
    } catch (error) {
      bus.publishTo(from, ANSWERS, {
        id,
        to: from,
        code: error instanceof GatewayError ? error.code : 'INTERNAL_ERROR',
      });
    }
  };
  const receiveCall = (call: Call): void => {
    // A node of another version may not know the call; then none answers.
    if (call.to === nodeId && handlers.has(call.name)) void answer(call);
  };
  bus.subscribe(CALLS, ofForm(callForm, receiveCall));
  const receiveAnswer = (received: Answer): void => {
    if (received.to === nodeId) waiting.get(received.id)?.(received);
  };
  bus.subscribe(ANSWERS, ofForm(answerForm, receiveAnswer));

  const ask = ({ node: to, name, request }: NodeCall, timeoutMs: number): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const id = randomUUID();
      const settle = (found: Answer | undefined): void => {
        cancel();
        waiting.delete(id);
        const code = found === undefined ? 'UNAVAILABLE' : found.code;
        if (code === undefined) resolve(found?.value);
        else reject(new GatewayError(isErrorCode(code) ? code : 'INTERNAL_ERROR'));
      };
      const cancel = clock.after(timeoutMs, () => settle(undefined));
      waiting.set(id, settle);
      bus.publishTo(to, CALLS, { id, from: nodeId, to, name, request } satisfies Call);
    });

  return {
    handle: (name, handler) => void handlers.set(name, handler),
    call: async (call, timeoutMs = ANSWER_MS) =>
      call.node === nodeId ? handlers.get(call.name)?.(call.request) : ask(call, timeoutMs),
  };
}
