import { z } from 'zod';
import { GatewayError } from '../../../errors.js';
import { createGatheringBatcher } from '../../../platform/concurrency/batcher.js';
import { safeParse } from '../../../validation.js';
import type { NodeCalls } from '../../node-calls.js';
import type { IdentifiedMessage } from '../message.js';
import type { Content } from '../storage/entry.js';
import type { Leaders } from './leaders.js';

/** Messages that are forwarded at a time, and how long they wait at most for callers who are answered just now. */
const BATCHES = { sizeMax: 500, gatherMs: 5 };
/** Contents of one call. A larger message is stored here. */
const CHARACTERS_MAX = 65_536;
/** Time limit of the leader. */
const RESPONSE_MS = 1000;
const STORE = 'delivery.store';

/** Where another node has stored a message. */
export interface StoredElsewhere {
  readonly position: number;
  /** Unix time in milliseconds. */
  readonly createdAt: number;
  /** Whether that node, or another one, has sockets of the recipient; `null`: not known. */
  readonly isHeld: boolean | null;
}

/** What became of a message; `undefined`: the leader did not respond. It may have stored it. */
export type Forwarded = StoredElsewhere | undefined;

/** A message for the leader of its recipient. */
interface Forward {
  readonly leader: string;
  readonly message: IdentifiedMessage;
}

const messageForm = z.object({
  id: z.string(),
  namespace: z.string(),
  content: z.string(),
  recipient: z.object({ site: z.string(), userId: z.string() }),
  ttlMs: z.number().optional(),
  isResync: z.boolean().optional(),
  keepsReceipt: z.boolean().optional(),
  requestId: z.string().optional(),
  traceparent: z.string().optional(),
  origin: z.object({ node: z.string(), key: z.string().optional() }).optional(),
  push: z.object({ title: z.string(), body: z.string(), afterMs: z.number() }).optional(),
});
const storedForm = z.object({ position: z.int(), createdAt: z.number(), isHeld: z.boolean().nullable() });
const requestForm = z.array(messageForm);
/** `null`: it failed. */
const responseForm = z.array(storedForm.nullable());

interface Dependencies {
  readonly nodeCalls: NodeCalls;
  readonly leaders: Leaders;
  /** Stores a message that another node has forwarded. */
  store(message: IdentifiedMessage): Promise<StoredElsewhere>;
}

/** Sends messages to the leaders of their recipients, and stores those that this node gets as a leader. */
export class Forwarder {
  readonly #nodeCalls: NodeCalls;
  readonly #leaders: Leaders;
  /** What arrives in one event loop iteration, and while a call is in flight, is one call to each leader. */
  readonly forward = createGatheringBatcher((forwards: readonly Forward[]) => this.#forwardAll(forwards), BATCHES);

  constructor({ nodeCalls, leaders, store }: Dependencies) {
    this.#nodeCalls = nodeCalls;
    this.#leaders = leaders;
    nodeCalls.handle(STORE, (request) => {
      const parsed = safeParse(requestForm, request);
      if (!parsed.success) throw parsed.error;
      return Promise.all(parsed.data.map((wire) => store(fromWire(wire)).catch(() => null)));
    });
  }

  async #forwardAll(forwards: readonly Forward[]): Promise<(Forwarded | Error)[]> {
    const groups = new Map<string, IdentifiedMessage[]>();
    for (const { leader, message } of forwards) groups.set(leader, [...(groups.get(leader) ?? []), message]);
    const results = new Map<IdentifiedMessage, Forwarded | Error>();
    const asked = [...groups].map(async ([leader, messages]) => {
      const stored = await this.#askInOrder(leader, messages);
      for (const [index, message] of messages.entries()) {
        const own = stored[index];
        results.set(message, own === null ? new GatewayError('UNAVAILABLE') : own);
      }
    });
    await Promise.all(asked);
    return forwards.map(({ message }) => results.get(message));
  }

  /** @returns what was stored, in order; from the first message on that the leader cannot be asked for, or has not responded to, none */
  async #askInOrder(leader: string, messages: readonly IdentifiedMessage[]): Promise<(StoredElsewhere | null)[]> {
    const stored: (StoredElsewhere | null)[] = [];
    for (const part of toParts(messages.map(toWire))) {
      const answers = await this.#ask(leader, part);
      if (answers === undefined) break;
      stored.push(...answers);
    }
    return stored;
  }

  async #ask(node: string, request: readonly WireMessage[]): Promise<(StoredElsewhere | null)[] | undefined> {
    // It may be silent since the messages began to wait.
    if (this.#leaders.isSilent(node)) return undefined;
    try {
      const response = await this.#nodeCalls.call({ node, name: STORE, request }, RESPONSE_MS);
      const { data } = safeParse(responseForm, response);
      if (data?.length === request.length) return data;
    } catch {
      // It may have died.
    }
    this.#leaders.noteSilent(node, request.length);
    return undefined;
  }
}

type WireMessage = ReturnType<typeof toWire>;

/** @returns messages in parts that each fit into one call, up to the first message that does not */
function toParts(messages: readonly WireMessage[]): WireMessage[][] {
  const parts: WireMessage[][] = [];
  let characters = CHARACTERS_MAX;
  for (const message of messages) {
    const { length } = message.content;
    if (length > CHARACTERS_MAX) break;
    characters += length;
    if (characters > CHARACTERS_MAX) {
      parts.push([]);
      characters = length;
    }
    parts.at(-1)?.push(message);
  }
  return parts;
}

const toWire = ({ event, args, ...message }: IdentifiedMessage) => ({
  ...message,
  content: JSON.stringify([event, ...args] satisfies Content),
});

function fromWire({ content, ...message }: z.output<typeof messageForm>): IdentifiedMessage {
  const [event, ...args] = JSON.parse(content) as Content;
  return { ...message, event, args };
}
