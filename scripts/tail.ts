import type { TrafficGap, TrafficRecord } from '#shared/contracts/traffic.js';
import { toSafeText } from '../src/platform/logging/loggable.js';
import { readArguments } from './arguments.js';
import { gatewayAddress } from './gateway-address.js';

const USAGE = `Shows what goes in and out of a running gateway: names and sizes.

  npm run tail -- [--user ID] [--namespace /v1/shared] [--node ID] [--payloads] [--url http://localhost:4000] [--key KEY]

--payloads shows the arguments too, of a development gateway only. Without --node it shows all nodes.
`;

const { values } = readArguments(USAGE, {
  options: {
    user: { type: 'string' },
    namespace: { type: 'string' },
    node: { type: 'string' },
    payloads: { type: 'boolean', default: false },
    url: { type: 'string' },
    key: { type: 'string' },
  },
});

const ARROWS = { client: '→ client ', backend: '→ backend', gateway: '← gateway' } as const;

/** One line of the terminal. Clients choose names of events, and users their ids: none of them controls the terminal. */
function toLine(record: TrafficRecord): string {
  const { at, node, from, namespace, event, userId, sockets, bytes, code, isDurable, payload } = record;
  const parts = [
    at.slice(11, 23),
    node.slice(0, 8),
    ARROWS[from],
    namespace,
    event,
    ...(userId === null ? [] : [`user ${userId}`]),
    bytes === null ? 'unread' : `${bytes} B`,
    ...(from === 'gateway' && sockets > 1 ? [`${sockets} sockets`] : []),
    ...(isDurable === true ? ['durable'] : []),
    ...(code === undefined || code === 'SUCCESS' ? [] : [code]),
    ...(payload === undefined ? [] : [JSON.stringify(payload)]),
  ];
  return toSafeText(parts.join('  '), Number.POSITIVE_INFINITY);
}

const toGapLine = ({ dropped, unwatched }: TrafficGap): string =>
  unwatched === undefined ? `… ${dropped} more` : `… nothing of node ${unwatched}: too many streams watch it`;

function show(line: string): void {
  if (line === '') return;
  const told = JSON.parse(line) as TrafficRecord | TrafficGap;
  process.stdout.write(`${'dropped' in told ? toGapLine(told) : toLine(told)}\n`);
}

/** Reads lines until the gateway ends. */
async function follow(body: ReadableStream<Uint8Array>): Promise<void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(show);
  }
}

try {
  const { url, apiKey } = gatewayAddress(values);
  const { user, namespace, node, payloads } = values;
  const query = new URLSearchParams(
    JSON.parse(JSON.stringify({ user, namespace, node, ...(payloads && { payloads: true }) })),
  );
  const headers: Record<string, string> = apiKey === undefined ? {} : { 'x-api-key': apiKey };
  const response = await fetch(`${url}/tail?${query}`, { headers, redirect: 'error' }).catch(({ message, cause }) => {
    throw new Error(`cannot reach ${url}: ${cause?.code ?? cause?.message ?? message}`);
  });
  if (!response.ok || response.body === null) throw new Error(await response.text());
  process.stderr.write(`${url}: waiting for events\n`);
  await follow(response.body);
} catch (error) {
  const { message, cause } = error as Error & { cause?: { code?: string } };
  process.stderr.write(`${cause?.code ?? message}\n`);
  process.exitCode = 1;
}
