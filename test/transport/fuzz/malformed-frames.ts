import { signToken } from '../../support/gateway.js';
import type { Random } from '../../support/random.js';
import type { Caller } from './callers.js';
import { eventsOf, makeEvent } from './events.js';
import { type Json, nested, toText } from './json.js';
import { hostile, mutate } from './mutate.js';
import { binaryFrame, connectFrame, eventFrame } from './session.js';

/** Namespaces, some of which do not exist. */
const NAMESPACES = [
  '/',
  '/department',
  '/v1/conversation',
  '/v1/conversation/live',
  '/v1/shared',
  '/v1/lead-finder',
  '/news',
  '/shop',
  '/nowhere',
  '/__proto__',
  '/constructor',
  '/v1/shared?token=x',
  '/V1/SHARED',
  '/v1/shared/',
  '//',
  '/\u0000',
  '/é',
];

/** Packets of other types than EVENT, and invalid packets. */
const FIXED: readonly string[] = [
  '',
  '0',
  '1',
  '2',
  '2probe',
  '3',
  '3probe',
  '4',
  '5',
  '6',
  '7',
  '9',
  '-1',
  'b',
  'bAAAA',
  'b====',
  '\u001e',
  '4\u001e2',
  '40',
  '41',
  '42',
  '43',
  '44',
  '45',
  '46',
  '47',
  '48',
  '4a',
  '44{}',
  '44"x"',
  '40[]',
  '40"token"',
  '40{',
  '40nul',
  '401',
  '42[]',
  '42{}',
  '42"x"',
  '42[null]',
  '42[{}]',
  '42[[]]',
  '42[true]',
  '42["connect"]',
  '42["disconnect"]',
  '42[1e400]',
  '42["disconnecting"]',
  '42["newListener"]',
  '42["removeListener"]',
  '42["connect_error"]',
  '420[',
  '42["x",',
  '42["x"]]',
  '4299999999999999999["x"]',
  '42-1["x"]',
  '4207["x"]',
  '421.5["x"]',
  '42/v1/shared["x"]',
  '42/v1/shared,,["x"]',
  '43',
  '430',
  '430[]',
  '430{}',
  '4399999["x"]',
  '43[1]',
  '43-1[]',
  '430[[[[',
  '43/nowhere,0[]',
  '46-0[]',
  '461-0[]',
  '45["x"]',
  '450-["x"]',
  '45-["x"]',
  '45x-["x"]',
  '4511-["x"]',
  '45999999-["x"]',
  '451-[]',
  '451-{}',
  '451-["connect"]',
  '451-["file_upload",{"_placeholder":true,"num":0}]',
  '451-["file_upload",{"_placeholder":true,"num":7}]',
  '451-["file_upload",{"_placeholder":true,"num":-1}]',
  '451-["file_upload",{"_placeholder":true,"num":"0"}]',
  '452-["file_upload",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]',
  '451-0["file_upload"]',
  '41{}',
];

const OTHER_KEY = `${signToken().slice(0, -6)}AAAAAA`;
const UNSIGNED = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"uid":"x"}').toString('base64url')}.`;

/** Credentials, most of them invalid. */
function makeAuth({ auth, token = '', pools }: Caller, random: Random): string {
  const credential = random.pick([token, token, token.slice(0, -1), OTHER_KEY, UNSIGNED, 'x'.repeat(20_000), '']);
  const known: Json = { token: credential, deviceId: random.pick(['d', '', 'x'.repeat(200), '\u0000', '😀']) };
  const session: Json = { session_id: random.pick([...(pools['session_id'] ?? []), 'unknown', '__proto__', '']) };
  const made = random.pick<Json>([known, session, { ...known, ...session }, hostile(random), mutate(known, random)]);
  return random.pick([
    auth,
    auth,
    toText(made),
    toText(nested(200)),
    `{"token":${'['.repeat(3000)}`,
    `"${credential}"`,
  ]);
}

/** A packet with errors at any layer of the protocol. Buffers are binary frames. */
export function makeMalformedFrames(caller: Caller, random: Random): (string | Buffer)[] {
  const namespace = random.pick([...caller.namespaces, ...caller.namespaces, ...NAMESPACES]);
  const learning = { pools: caller.pools, pair: (data: Json) => data };
  const source = { random, learning, bytesMax: random.pick([1000, 30_000, 200_000]) };
  const event = makeEvent(eventsOf(namespace), source);
  const id = random.pick([undefined, 0, 7, 2 ** 53 - 1]);
  const bytes = Buffer.from(event.json.slice(0, random.integer(300)), 'latin1');
  const count = random.pick([0, 1, 1, 2, 9, 10, 11, 99, 1000]);
  const announced = binaryFrame(namespace, event.json, { id, count });
  const attachments = Array.from({ length: random.pick([0, Math.min(count, 12), 1, 2]) }, () => bytes);
  return random.pick<() => (string | Buffer)[]>([
    () => [random.pick(FIXED)],
    () => [random.pick(FIXED)],
    () => [spoil(random.pick(FIXED), random)],
    () => [spoil(eventFrame(namespace, event.json, id), random)],
    () => [spoil(eventFrame(namespace, event.json, id), random)],
    () => [spoil(eventFrame(namespace, event.json, id), random)],
    () => [eventFrame(namespace, event.json, id)],
    () => [connectFrame(namespace, makeAuth(caller, random))],
    () => [spoil(connectFrame(namespace, makeAuth(caller, random)), random)],
    () => [`41${namespace},`],
    () => [`43${namespace},${random.integer(3)}${toText([hostile(random)])}`],
    () => [bytes],
    () => [announced, ...attachments],
    () => [spoil(announced, random), ...attachments],
    () => [`46${count}-${namespace},${id ?? ''}${event.json}`, ...attachments],
    () => [spoilBytes(Buffer.from(eventFrame(namespace, event.json, id)), random)],
  ])();
}

const INSERTED = [
  '\u0000',
  ',',
  '-',
  '/',
  '[',
  ']',
  '{',
  '"',
  '\\',
  '0',
  '9'.repeat(20),
  '\ud800',
  '\u001e',
  ' ',
  '🚀',
  '[['.repeat(300),
];

/** Mutates characters at random positions. */
export function spoil(text: string, random: Random): string {
  let spoiled = text;
  for (let change = 1 + random.integer(3); change > 0; change -= 1) {
    // The header is at the beginning.
    const end = random.chance(0.6) ? Math.min(spoiled.length, 30) : spoiled.length;
    const at = random.integer(end + 1);
    const [before, after] = [spoiled.slice(0, at), spoiled.slice(at)];
    spoiled = random.pick([
      before,
      after,
      before + after.slice(1),
      before + random.pick(INSERTED) + after,
      before + String.fromCharCode(32 + random.integer(95)) + after.slice(1),
      before + before + after,
    ]);
  }
  return spoiled;
}

/** Mutates bytes, which makes invalid UTF-8. */
export function spoilBytes(bytes: Buffer, random: Random): Buffer {
  const spoiled = Buffer.from(bytes);
  for (let change = 0; change < 3 && spoiled.length > 0; change += 1) {
    spoiled[random.integer(Math.min(spoiled.length, 40))] = 128 + random.integer(128);
  }
  return spoiled;
}
