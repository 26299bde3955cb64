import type { ClientEvent } from '#shared/contracts/contract.js';
import { publishedContracts } from '#shared/contracts/index.js';
import type { Random } from '../../support/random.js';
import { type Json, toText } from './json.js';
import type { Learning } from './learning.js';
import { hostile, mutate } from './mutate.js';
import { sample, schemaOf } from './samples.js';

/** The client events of a namespace, from its contract. */
export function eventsOf(namespace: string): [name: string, event: ClientEvent][] {
  return publishedContracts
    .filter(({ namespaces }) =>
      namespaces.some((name) => name === namespace || (name === '/{site}' && isSite(namespace))),
    )
    .flatMap(({ contract }) => Object.entries<ClientEvent>(contract.clientEvents));
}

const isSite = (namespace: string): boolean => /^\/(?!v1|department)\w+$/.test(namespace);

/** An event to send. */
export interface Sent {
  readonly name: string;
  /** Event name and arguments as JSON. */
  readonly json: string;
  /** Binary attachments. */
  readonly attachments: readonly Buffer[];
}

/** Event names outside every contract, without the names reserved by Socket.IO, which close the connection. */
const UNKNOWN = [
  '',
  '__proto__',
  'constructor',
  'error',
  'event_error',
  '_batch',
  'a\u0000b',
  'ünïcode 🚀',
  'n'.repeat(5000),
];
const VALID_SHARE = 0.4;
const UNKNOWN_SHARE = 0.03;
const BINARY_SHARE = 0.02;

interface Source {
  readonly random: Random;
  readonly learning: Pick<Learning, 'pools' | 'pair'>;
  /** Maximum size of the JSON, in bytes. */
  readonly bytesMax: number;
}

/** Generates an event that is valid for the protocol, with any payload. It must be acknowledged. */
export function makeEvent(events: readonly (readonly [string, ClientEvent])[], source: Source): Sent {
  const { random, bytesMax } = source;
  if (events.length === 0 || random.chance(UNKNOWN_SHARE)) {
    const unknown = random.pick<Json>([...UNKNOWN, random.integer(99)]);
    return { name: 'unknown', json: toText([unknown, hostile(random)]), attachments: [] };
  }
  const [name, event] = random.pick(events);
  for (;;) {
    const sent = event.takesBinary === true ? makeFile(name, event, source) : makeText(name, event, source);
    // A placeholder without its attachment violates the protocol.
    const isSound = sent.attachments.length === 0 || sent.json.split('_placeholder').length === 2;
    if (isSound && Buffer.byteLength(sent.json) <= bytesMax) return sent;
  }
}

function makeText(name: string, { payload }: ClientEvent, { random, learning }: Source): Sent {
  const valid = learning.pair(sample(schemaOf(payload), { random, pools: learning.pools }), random);
  const data = random.chance(VALID_SHARE) ? valid : mutate(valid, random);
  const args = random.pick<Json[]>([[data], [data], [data], [data], [data], [data], [], [data, hostile(random)]]);
  const isBinary = random.chance(BINARY_SHARE);
  const json = toText([name, ...(isBinary ? [{ _placeholder: true, num: 0 }] : args)]);
  return { name, json, attachments: isBinary ? [Buffer.alloc(1 + random.integer(200))] : [] };
}

const CONTENTS = ['plain text', '<script>alert(1)</script>', '%PDF-1.7', '\u0089PNG\r\n\u001a\n', 'GIF89a', ''];

function makeFile(name: string, { payload }: ClientEvent, { random, learning }: Source): Sent {
  const fields = sample(schemaOf(payload), { random, pools: learning.pools });
  const meta = Array.isArray(fields) ? (fields[1] ?? null) : null;
  const told = random.chance(VALID_SHARE) ? meta : mutate(meta, random);
  const content = Buffer.from(random.pick(CONTENTS).repeat(1 + random.integer(50)), 'latin1');
  return { name, json: toText([name, { _placeholder: true, num: 0 }, told]), attachments: [content] };
}
