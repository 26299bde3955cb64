import { createRandom } from '../../support/random.js';
import type { Caller } from './callers.js';
import { eventsOf, makeEvent, type Sent } from './events.js';
import type { Play, TrafficGenerator } from './generator.js';
import { codeOf, isBroken } from './judge.js';
import { createLearning } from './learning.js';
import { binaryFrame, createSession, eventFrame, type Session } from './session.js';
import { openPolling, openWebsocket } from './wire.js';

/** Frame limit of clients without a token, in bytes. */
const OPEN_BYTES = 30_000;
const KNOWN_BYTES = 200_000;
/** Concurrent events: usually few, sometimes the maximum of one socket. */
const BURSTS = [1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 100];
const ASKED_SHARE = 0.9;
/** Multiplies the deadline of an event that uploads a file. */
const FILE_FACTOR = 4;

/** Acknowledgements for events of the gateway. */
const REPLIES = ['[]', '[null]', '[{"a":1}]', '["__proto__"]', '[[[[[]]]]]', undefined];

export type Transport = 'websocket' | 'polling';

/** Sends events that follow the protocol. Each must be acknowledged, and the connection must stay open. */
export function createEventGenerator(caller: Caller, namespace: string, transport: Transport): TrafficGenerator {
  const title = `${caller.name} on ${namespace} by ${transport}`;
  const events = eventsOf(namespace);
  const bytesMax = caller.token === undefined ? OPEN_BYTES : KNOWN_BYTES;
  return {
    title,
    weight: 4 + events.length,
    async play(play) {
      const { random, judge, deadlineMs } = play;
      const session = await open({ caller, namespace, transport, title }, play);
      if (session === undefined) return;
      let id = random.pick([0, 1, 999, 2 ** 31, 2 ** 53 - 10_000_000]);
      const waiting = new Set<string>();
      const learning = createLearning(caller.pools);
      const ask = async (sent: Sent): Promise<void> => {
        judge.sent();
        const about = sent.json.slice(0, 300);
        if (!random.chance(ASKED_SHARE)) {
          waiting.add(about);
          return send(session, sent);
        }
        id += 1;
        const answer = session.answerTo(id);
        send(session, sent, id);
        const isFile = sent.json.startsWith('["file_upload"');
        waiting.add(about);
        const timeMs = isFile ? FILE_FACTOR * deadlineMs : deadlineMs;
        const answered = await judge.inTime(`${title}: ${about}`, answer, timeMs);
        if (answered === undefined) return;
        waiting.delete(about);
        const code = codeIn(namespace, answered.text);
        judge.outcome(code);
        if (code === 'SUCCESS') {
          judge.succeeded.add(sent.name);
          learning.note(sent.name, answered.text);
        }
        // Uploads beyond the concurrency limit are refused with a request to retry.
        const isExcused = isFile && code === 'UNAVAILABLE';
        if (isBroken(code) && !isExcused) judge.fault(`${code}: ${title}: ${about}: ${answered.text.slice(0, 300)}`);
      };
      for (let left = play.inputs; left > 0; ) {
        const burst = Math.min(left, random.pick(BURSTS));
        left -= burst;
        waiting.clear();
        const sent = Array.from({ length: burst }, () => makeEvent(events, { random, learning, bytesMax }));
        await play.places.run(burst, () => Promise.all(sent.map(ask)));
        if (!session.wire.isOpen) {
          judge.fault(
            `the connection was closed: ${title}: ${session.wire.reason}: after ${[...waiting].map((one) => one.slice(0, 120)).join(' ')}`,
          );
          return;
        }
      }
      session.wire.close();
    },
  };
}

function codeIn(namespace: string, text: string): string {
  try {
    return codeOf(namespace, text);
  } catch {
    return 'INTERNAL_ERROR';
  }
}

function send({ wire, namespace }: Session, { json, attachments }: Sent, id?: number): void {
  if (attachments.length === 0) wire.send(eventFrame(namespace, json, id));
  else wire.send(binaryFrame(namespace, json, { id, count: attachments.length }), ...attachments);
}

interface Entering {
  caller: Caller;
  namespace: string;
  transport: Transport;
  title: string;
}

async function open(
  { caller, namespace, transport, title }: Entering,
  { url, judge, random }: Play,
): Promise<Session | undefined> {
  // Events of the gateway arrive at any time. Their acknowledgements have random numbers of their own, so that the inputs
  // depend on the seed alone.
  const replies = createRandom(random.integer(2 ** 31));
  const early: string[] = [];
  let take = (frame: string): void => void early.push(frame);
  const onFrame = (frame: string): void => take(frame);
  const onAnswer = ({ status, text }: { status: number; text: string }): void => {
    if (status >= 500) judge.fault(`${status} to ${title}: ${text.slice(0, 300)}`);
  };
  const options = { url, query: caller.query, onFrame };
  const wire = transport === 'websocket' ? await openWebsocket(options) : await openPolling({ ...options, onAnswer });
  const session = createSession({ wire, namespace, onEvent: () => replies.pick(REPLIES) });
  take = session.take;
  early.forEach(take);
  const entered = await judge.inTime(`the CONNECT of ${title}`, session.enter(caller.auth));
  if (entered?.startsWith('40') === true) return session;
  judge.fault(`not let in: ${title}: ${entered}`);
  wire.close();
  return undefined;
}
