import type { Random } from '../../support/random.js';
import type { Caller } from './callers.js';
import type { Play, TrafficGenerator } from './generator.js';
import { makeMalformedFrames } from './malformed-frames.js';
import { connectFrame } from './session.js';
import { openPolling, openWebsocket, type WebsocketWire, type Wire } from './wire.js';

/** Maximum number of frames on one connection. */
const FRAMES_MAX = 20;
const QUERIES = [
  'EIO=4',
  'EIO=4',
  'EIO=4',
  'EIO=4',
  'EIO=3',
  'EIO=4&token=x',
  'EIO=4&departmentId=x',
  'EIO=4&__proto__=x',
];
/** An unknown namespace. Its refusal is a barrier: frames sent before have been handled. */
const BARRIER = '/barrier';

/** Violates the protocol. The gateway may close the connection; it must not crash, and no call may hang. */
export function createMalformedGenerator(caller: Caller, transport: 'websocket' | 'polling'): TrafficGenerator {
  const title = `${caller.name} without manners by ${transport}`;
  return {
    title,
    weight: transport === 'websocket' ? 14 : 4,
    async play(play) {
      for (let left = play.inputs; left > 0; ) {
        const count = Math.min(left, 1 + play.random.integer(FRAMES_MAX));
        left -= await play.places.run(count, () => playRound({ caller, transport, title, count }, play));
      }
    },
  };
}

interface Round {
  caller: Caller;
  transport: 'websocket' | 'polling';
  title: string;
  count: number;
}

async function playRound({ caller, transport, title, count }: Round, play: Play): Promise<number> {
  const { url, random, judge } = play;
  const query = random.pick(QUERIES);
  const log: string[] = [];
  let passBarrier = (): void => undefined;
  const passed = new Promise<void>((resolve) => {
    passBarrier = resolve;
  });
  const onFrame = (frame: string): void => {
    if (frame.startsWith(`44${BARRIER},`) || frame === '3') passBarrier();
    if (/^44.*"errno":5\d\d/s.test(frame) || frame.includes('"INTERNAL_ERROR"')) {
      judge.fault(`${title}: ${frame.slice(0, 300)} after ${JSON.stringify(log).slice(-1500)}`);
    }
  };
  const onAnswer = ({ status, text }: { status: number; text: string }): void => {
    judge.outcome(`polling ${status}`);
    if (status >= 500)
      judge.fault(`${title}: ${status} ${text.slice(0, 200)} after ${JSON.stringify(log).slice(-1500)}`);
  };
  const wire = await (transport === 'websocket'
    ? openWebsocket({ url, query, onFrame })
    : openPolling({ url, query, onFrame, onAnswer }));
  const namespace = random.pick(caller.namespaces);
  if (random.chance(0.8)) wire.send(connectFrame(namespace, caller.auth));
  let sent = 0;
  // After half a frame, following bytes can be read as its rest.
  let isMuddled = false;
  while (sent < count && wire.isOpen) {
    const frames = makeMalformedFrames(caller, random);
    log.push(...frames.map((frame) => String(frame).slice(0, 200)));
    sent += frames.length;
    if (isWebsocket(wire) && random.chance(0.1)) {
      misuse(wire, frames, random);
      isMuddled = true;
    } else {
      wire.send(...frames);
    }
  }
  judge.sent(sent);
  wire.send(query.startsWith('EIO=3') ? '2' : `40${BARRIER},`);
  const about = `${title}: ${JSON.stringify(log).slice(-1500)}`;
  if (!isMuddled) await judge.inTime(about, Promise.race([passed, wire.closed]));
  judge.outcome(wire.isOpen ? 'connection kept' : 'connection closed');
  wire.close();
  return sent;
}

const isWebsocket = (wire: Wire): wire is WebsocketWire => 'socket' in wire;

/** Sends unusual frames: binary data as text, fragments, pings, and bytes that are not frames. */
function misuse({ socket }: WebsocketWire, frames: readonly (string | Buffer)[], random: Random): void {
  if (socket.readyState !== socket.OPEN) return;
  const [first = ''] = frames;
  const bytes = Buffer.from(first);
  random.pick<() => void>([
    () => socket.send(Buffer.concat([bytes, Buffer.from([0xff, 0xfe])]), { binary: false }),
    () => {
      socket.send(bytes.subarray(0, 3), { binary: false, fin: false });
      socket.send(bytes.subarray(3), { binary: false, fin: true });
    },
    () => socket.send(bytes, { binary: false, fin: false }),
    () => socket.ping(bytes.subarray(0, 125)),
    () => socket.pong(bytes.subarray(0, 125)),
    () => socket.close(random.pick([1000, 1001, 1008, 4000])),
    () => rawSocketOf(socket)?.write(Buffer.from([random.integer(256), random.integer(256), ...bytes.subarray(0, 20)])),
  ])();
}

/** The socket below the WebSocket, a private property of `ws`. The case is skipped without it. */
const rawSocketOf = (socket: object): { write(bytes: Buffer): void } | undefined =>
  (socket as { _socket?: { write(bytes: Buffer): void } })._socket;
