import { WebSocket } from 'ws';
import { type Asked, CHANNEL, CIRCLE, type LoadOrder, sharedIdOf, type Target, userIdOf } from '../wire.js';
import { at, inParallel } from './in-parallel.js';
import { createSpeech } from './protocols.js';

/** Time after which an event that others should have heard counts as lost. */
const LOST_AFTER_MS = 20_000;

type Order<Kind extends LoadOrder['kind']> = Extract<LoadOrder, { kind: Kind }>;

/** What an event is, and who hears of it. */
interface Spoken {
  readonly event: string;
  /** @param caller its index @param n counts the requests of an order @param target the servers that are asked */
  toData(caller: number, n: number, target: Target): object;
  /** The event that the other connected members of the caller's circle get, and whether the caller gets it too. */
  readonly heard?: { readonly event: string; readonly byCaller: boolean };
}

/** Conversations that were added, by server: each has a database of its own. */
const added = new Map<string, number>();
const circleOf = (caller: number): string => sharedIdOf(Math.floor(caller / CIRCLE));

const spoken: Record<Asked, Spoken> = {
  'conversation message': {
    event: 'message',
    toData: (caller, n) => ({ conversation_id: circleOf(caller), data: `Hello ${n}` }),
    heard: { event: 'message', byCaller: false },
  },
  'support message': {
    event: 'send_message',
    toData: (caller, n) => ({ conversationId: circleOf(caller), content: `Hello ${n}` }),
    heard: { event: 'new_message', byCaller: true },
  },
  'community message': {
    event: 'chat:send_message',
    toData: (caller, n) => ({ chatId: circleOf(caller), content: `Hello ${n}` }),
    heard: { event: 'chat:new_message', byCaller: true },
  },
  // Nine others, who are in no such conversation yet and have no counters.
  add_conversation: {
    event: 'add_conversation',
    toData(_caller, _n, target) {
      const before = added.get(keyOf(target)) ?? 0;
      added.set(keyOf(target), before + 1);
      const first = STRANGERS + before * (CIRCLE - 1);
      return {
        users: Array.from({ length: CIRCLE - 1 }, (_, n) => userIdOf(first + n)),
        channel_id: CHANNEL,
      };
    },
  },
  channel: { event: 'channel', toData: () => ({ channel_id: CHANNEL }) },
  list_conversation: { event: 'list_conversation', toData: () => ({}) },
};

/** The first user who is added to a conversation. */
const STRANGERS = 1000;

/** Connected callers by server port. */
const callers = new Map<string, Caller[]>();
const keyOf = ({ ports }: Target): string => ports.join(' ');

/** Connects callers, one for each user. */
export async function enter(
  { target, namespace, count }: Order<'enter'>,
  tokenOf: (userId: string) => string,
): Promise<void> {
  const own: Caller[] = [];
  callers.set(keyOf(target), own);
  await inParallel(10, count, async (n) => {
    const userId = userIdOf(n);
    const port = at(target.ports, n % target.ports.length);
    own[n] = await Caller.connect({ port, namespace, userId, token: tokenOf(userId) });
  });
}

/** Disconnects all callers. @returns their number */
export async function leave(target: Target): Promise<number> {
  const own = callers.get(keyOf(target)) ?? [];
  callers.delete(keyOf(target));
  await Promise.all(own.map((caller) => caller.close()));
  return own.length;
}

/** @throws Error when an answer is a failure, or an event was lost or repeated */
export async function ask({ target, what, requests, inFlight }: Order<'ask'>): Promise<number> {
  const own = callers.get(keyOf(target)) ?? [];
  const { event, toData, heard } = spoken[what];
  const due = own.map((caller) => caller.heard(heard?.event ?? ''));
  await inParallel(inFlight, requests, async (n) => {
    const index = n % own.length;
    await at(own, index).ask(event, toData(index, n, target));
    if (heard === undefined) return;
    const first = index - (index % CIRCLE);
    for (let other = first; other < Math.min(first + CIRCLE, own.length); other += 1) {
      if (other !== index || heard.byCaller) due[other] = at(due, other) + 1;
    }
  });
  if (heard === undefined) return requests;
  await Promise.all(own.map((caller, index) => caller.hears(heard.event, at(due, index))));
  for (const [index, caller] of own.entries()) {
    if (caller.heard(heard.event) !== at(due, index)) throw new Error(`caller ${index} has heard an event twice`);
  }
  return requests;
}

interface CallerOptions {
  readonly port: number;
  readonly namespace: string;
  readonly userId: string;
  readonly token: string;
}

/** A Socket.IO client that sends events with acknowledgements. */
class Caller {
  readonly #socket: WebSocket;
  readonly #prefix: string;
  readonly #waiting = new Map<string, (answer: string) => void>();
  readonly #heard = new Map<string, number>();
  #awaited: { event: string; count: number; resolve(): void } | undefined;
  #lastId = 0;

  constructor(socket: WebSocket, namespace: string) {
    this.#socket = socket;
    this.#prefix = namespace === '/' ? '' : `${namespace},`;
    socket.on('message', (data: Buffer) => this.#read(data.toString()));
  }

  static connect({ port, namespace, userId, token }: CallerOptions): Promise<Caller> {
    const speech = createSpeech('socket.io', { namespace, userId, event: '' });
    const socket = new WebSocket(`ws://127.0.0.1:${port}${speech.path(token)}`, { perMessageDeflate: false });
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      const handshake = (data: Buffer): void => {
        const step = speech.handshake(data.toString(), token);
        if (typeof step === 'object') {
          socket.send(step.send);
          return;
        }
        socket.off('message', handshake);
        if (step === 'connected') resolve(new Caller(socket, namespace));
        else reject(new Error(`the server refused the connection: ${data.toString()}`));
      };
      socket.on('message', handshake);
    });
  }

  #read(frame: string): void {
    if (frame === '2') {
      this.#socket.send('3');
      return;
    }
    const start = frame.indexOf('[');
    if (frame.startsWith('43')) {
      const id = frame.slice(2 + this.#prefix.length, start);
      this.#waiting.get(id)?.(frame.slice(start));
      this.#waiting.delete(id);
      return;
    }
    const event = frame.slice(start + 2, frame.indexOf('"', start + 2));
    this.#heard.set(event, this.heard(event) + 1);
    if (this.#awaited?.event === event && this.heard(event) >= this.#awaited.count) this.#awaited.resolve();
  }

  async ask(event: string, data: object): Promise<void> {
    this.#lastId += 1;
    const id = String(this.#lastId);
    const answer = new Promise<string>((resolve) => this.#waiting.set(id, resolve));
    this.#socket.send(`42${this.#prefix}${id}${JSON.stringify([event, data])}`);
    const text = await answer;
    if (!text.startsWith('[{"success":true')) throw new Error(`unexpected answer: ${text}`);
  }

  /** How often an event has arrived. */
  heard(event: string): number {
    return this.#heard.get(event) ?? 0;
  }

  /** Waits until an event has arrived so often. @throws Error when it does not */
  async hears(event: string, count: number): Promise<void> {
    if (this.heard(event) >= count) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${event} was lost`)), LOST_AFTER_MS);
      const done = (): void => {
        clearTimeout(timer);
        resolve();
      };
      this.#awaited = { event, count, resolve: done };
    });
    this.#awaited = undefined;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.once('close', () => resolve());
      this.#socket.terminate();
    });
  }
}
