import type { Protocol } from '../wire.js';

/** What a client of a server says and expects. Frames are text. */
export interface Speech {
  /** Path and query of the websocket. */
  path(token: string): string;
  /** Answers a frame until the client is connected. @returns what to send, or whether it is connected or refused */
  handshake(frame: string, token: string): { send: string } | 'connected' | 'refused';
  /** The first frame, if the client has to begin. */
  hello?(token: string): string;
  /** How many times a frame has the expected message, and what the client answers. Absent: the frame is something else. */
  read(frame: string, expected: string): { count: number; reply?: string } | undefined;
  /** The message that a client expects: an event with a payload, both as JSON. */
  toExpected(payload: string, userId: string): string;
}

interface Options {
  readonly namespace: string;
  readonly userId: string;
  readonly event: string;
}

/** One for each client: what a client of Centrifugo says depends on what it got before. */
export const createSpeech = (protocol: Protocol, options: Options): Speech =>
  ({ 'socket.io': createSocketIo, ws: createBare, centrifugo: createCentrifugo })[protocol](options);

/** Events of the chats that tell who is online. */
const PRESENCE = /^\["(?:presence_snapshot|user_online|user_offline)"/;

/** Engine.IO 4 and Socket.IO 5. */
function createSocketIo({ namespace, event }: Options): Speech {
  const prefix = namespace === '/' ? '' : `${namespace},`;
  return {
    path: () => '/socket.io/?EIO=4&transport=websocket',
    handshake(frame, token) {
      if (frame.startsWith('0{')) return { send: `40${prefix}${JSON.stringify({ token, deviceId: 'device' })}` };
      return frame.startsWith(`40${prefix}{`) ? 'connected' : 'refused';
    },
    read(frame, expected) {
      if (frame === '2') return { count: 0, reply: '3' };
      if (!frame.startsWith(`42${prefix}`)) return undefined;
      const start = frame.indexOf('[', 2 + prefix.length);
      const id = frame.slice(2 + prefix.length, start);
      const content = frame.slice(start);
      const reply = id === '' ? {} : { reply: `43${prefix}${id}[]` };
      if (content === expected) return { count: 1, ...reply };
      if (PRESENCE.test(content)) return { count: 0 };
      const count = countInBatch(content, expected);
      return count === 0 ? undefined : { count, ...reply };
    },
    toExpected: (payload) => `["${event}",${payload}]`,
  };
}

/** How often a `_batch` repeats one message; 0: it has others. */
function countInBatch(content: string, expected: string): number {
  const count = Math.floor(content.length / (expected.length + 1));
  return count > 0 && content === `["_batch",[${Array(count).fill(expected).join(',')}]]` ? count : 0;
}

/** A websocket and nothing else. */
const createBare = ({ event }: Options): Speech => ({
  path: (token) => `/?token=${token}`,
  handshake: () => 'connected',
  read: (frame, expected) => (frame === expected ? { count: 1 } : undefined),
  toExpected: (payload) => `["${event}",${payload}]`,
});

/** JSON protocol of Centrifugo: a frame is one or more lines. */
function createCentrifugo({ userId }: Options): Speech {
  return {
    path: () => '/connection/websocket',
    hello(token) {
      const place = places.get(userId);
      const subs = place === undefined ? undefined : { [`kept:${userId}`]: { recover: true, ...place } };
      return JSON.stringify({ id: 1, connect: { token, ...(subs === undefined ? {} : { subs }) } });
    },
    handshake(frame) {
      const reply = JSON.parse(frame.split('\n')[0] ?? '');
      if (reply.connect === undefined) return 'refused';
      const own = reply.connect.subs[`kept:${userId}`];
      const missed = own.publications?.length ?? 0;
      recovered.set(userId, missed);
      places.set(userId, { epoch: own.epoch, offset: own.publications?.at(-1)?.offset ?? own.offset ?? 0 });
      return 'connected';
    },
    read(frame, expected) {
      if (frame === '{}') return { count: 0, reply: '{}' };
      const lines = frame.split('\n').filter((line) => line !== '');
      for (const line of lines) {
        if (!line.startsWith('{"push":') || !line.includes(expected)) return undefined;
      }
      return { count: lines.length };
    },
    toExpected: (payload) => `"data":${payload}`,
  };
}

/** Where the clients of Centrifugo stand, by user. */
const places = new Map<string, { epoch: string; offset: number }>();

/** Messages that the last connect has recovered, by user. */
export const recovered = new Map<string, number>();
