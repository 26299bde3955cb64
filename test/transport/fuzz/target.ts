import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openWebsite } from '../../integrations/push-sites/website.js';
import { connect } from '../../support/client.js';
import { startDatabase } from '../../support/database.js';
import { API_KEY, signToken } from '../../support/gateway.js';
import { createRandom } from '../../support/random.js';
import { startRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';
import { type Caller, inventCallers, SITE, SITE_TOKEN } from './callers.js';
import { createEventGenerator } from './event-generator.js';
import type { TrafficGenerator } from './generator.js';
import { createHttpGenerator } from './http-generator.js';
import { createMalformedGenerator } from './malformed-generator.js';
import type { FuzzNode } from './node.js';
import { spoilDocuments } from './odd-documents.js';
import { poolsOf, SCRAPERS } from './pools.js';
import { createRestGenerator, restCallers } from './rest-generator.js';
import type { Pools } from './samples.js';
import { placeWitnesses, tokenOf, WITNESS, WITNESS_SITE, type Witnesses } from './witnesses.js';
import { type Circle, createIds, inventCircle, storeCircle } from './world.js';

const SITE_KEY = 'key of the site news';

/** Two nodes with users in their database: the senders, and the witnesses that must not be affected. */
export interface Target {
  readonly nodes: readonly FuzzNode[];
  readonly generators: readonly TrafficGenerator[];
  readonly witnesses: Witnesses;
  close(): Promise<void>;
}

interface TargetOptions {
  readonly seed: number;
  startNode(env: Record<string, string>): Promise<FuzzNode>;
}

/** Starts the nodes and connects the witnesses. */
export async function openTarget({ seed, startNode }: TargetOptions): Promise<Target> {
  const undo: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const nextId = createIds(seed);
    const own = inventCircle(nextId, 'Own', ['single', 'healing']);
    const other = inventCircle(nextId, 'Other', ['single']);
    const odd = inventCircle(nextId, 'Odd', ['healing']);
    const witness = inventCircle(nextId, WITNESS, ['marriage', 'motherhood']);
    const [redis, database, website] = await Promise.all([startRedis(), startDatabase(), openWebsite()]);
    undo.push(() => redis.dispose(), database.stop, website.close);
    website.rooms.set(SITE_TOKEN, ['user_reader', 'hall']).set(WITNESS_SITE.token, ['user_witness', 'hall']);
    for (const circle of [own, other, odd, witness]) await storeCircle(database.url, circle, tokenOf(circle));
    await spoilDocuments(database.url, odd, createRandom(seed));
    const directory = await mkdtemp(join(tmpdir(), 'general-socket-'));
    undo.push(() => rm(directory, { recursive: true, force: true }));
    const SITES_FILE = join(directory, 'sites.yml');
    await writeFile(SITES_FILE, sitesFile(website.url));
    const env = {
      REDIS_URL: redis.url,
      MONGODB_URL: database.url,
      SITES_FILE,
      LOG_LEVEL: 'info',
      CONSOLE: 'on',
      SOCKET_TRANSPORTS: 'websocket,polling',
      ALLOW_EIO3: 'true',
      COMPRESSION_THRESHOLD: '1024',
      // Rate limits have tests of their own. Here they would hide the code behind them.
      EVENT_LIMIT: '10000000',
      MESSAGE_LIMIT: '10000000',
      REFUSED_CONNECTS_MAX: '0',
    };
    const nodes = await Promise.all([startNode(env), startNode(env)]);
    // The node for drain calls; the two others must stay up.
    const expendable = await startNode(env);
    undo.push(...[...nodes, expendable].map((node) => () => node.close()));
    const nodeId = [await idOf(expendable)];
    await Promise.all(DEVICES.map((deviceId) => leaveDevice(expendable, deviceId)));
    const consoleCookie = await logIn(expendable);
    const witnesses = await placeWitnesses(nodes, witness);
    undo.push(witnesses.close);
    const files = await Promise.all([own, witness].map((circle) => uploadFile(nodes[0], circle)));
    const callers = inventCallers({ own, other, odd, witness, files });
    return {
      nodes,
      generators: toGenerators(callers, { ...poolsOf(own, []), fileId: files, nodeId }, consoleCookie),
      witnesses,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The id of a node, from the connections of a user. */
async function idOf(node: FuzzNode): Promise<string> {
  const client = await connect(node, { claims: { uid: EXPENDABLE[0] } });
  let id: string | undefined;
  await until(async () => {
    const answer = await fetch(`${node.url}/users/${EXPENDABLE[0]}/connections`, { headers: { 'x-api-key': API_KEY } });
    const { data } = (await answer.json()) as { data: { connections: { node: string }[] } };
    id = data.connections[0]?.node;
    return id !== undefined;
  });
  client.close();
  return id ?? '';
}

/** Registers a device and disconnects it, so that it can be forgotten. */
async function leaveDevice(node: FuzzNode, deviceId: string): Promise<void> {
  const auth = { token: signToken({ uid: EXPENDABLE[0] }), deviceId };
  const client = await connect(node, { claims: null, auth });
  client.close();
}

/** @returns the cookie of a session of the console */
async function logIn(node: FuzzNode): Promise<string> {
  const headers = { 'content-type': 'application/json', 'x-console': '1', 'sec-fetch-site': 'same-origin' };
  const body = JSON.stringify({ key: API_KEY });
  const answer = await fetch(`${node.url}/console/api/session`, { method: 'POST', headers, body });
  const [cookie = ''] = answer.headers.getSetCookie();
  return cookie.split(';', 1)[0] ?? '';
}

/** Uploads a file to a support conversation. @returns its id */
async function uploadFile(node: FuzzNode | undefined, circle: Circle): Promise<string> {
  if (node === undefined) throw new Error('there is no node');
  const client = await connect(node, { namespace: '/', claims: null, auth: { token: tokenOf(circle) } });
  const meta = { conversationId: circle.support[0], fileName: `${circle.name}.txt` };
  const { data } = await client.ask('file_upload', Buffer.from(circle.name), meta);
  client.close();
  return data.fileId;
}

/** Users that a backend can disconnect. */
const EXPENDABLE = ['expendable-1', 'expendable-2'];

/** Devices of the first of these users. */
const DEVICES = ['phone', 'tablet', 'laptop', 'watch', 'desk', 'car'];

function toGenerators(callers: readonly Caller[], own: Pools, consoleCookie: string): TrafficGenerator[] {
  const console = { deviceId: DEVICES, idempotencyKey: ['one', 'two'], key: [API_KEY] };
  const pools: Pools = { ...own, ...console, scraperId: SCRAPERS, channel: ['prospect'], token: [signToken()] };
  const users = [...(own['users'] ?? []), ...EXPENDABLE];
  const site = { site: [SITE], apiKey: [SITE_KEY, SITE_KEY, API_KEY], rooms: ['user_reader', 'hall', 'user_nobody'] };
  return [
    ...callers.flatMap((caller, index) =>
      caller.namespaces.map((namespace) => {
        const transport = (index + namespace.length) % 5 === 0 ? 'polling' : 'websocket';
        return createEventGenerator(caller, namespace, transport);
      }),
    ),
    ...callers.map((caller, index) => createMalformedGenerator(caller, index % 4 === 3 ? 'polling' : 'websocket')),
    ...restCallers(callers, {
      backend: { ...pools, userId: users, userIds: users, jti: ['one', 'two'] },
      expendable: { ...pools, userId: EXPENDABLE, jti: ['one', 'two'] },
      site: { ...pools, ...site },
      consoleCookie,
    }).map(createRestGenerator),
    createHttpGenerator(),
  ];
}

const sitesFile = (url: string): string => `${SITE}:
  authUrl: ${url}/rooms
  apiKey: ${SITE_KEY}
  userRoomPrefix: user_
  updateUserUrl: ${url}/users/:id
  publicChannel: browse
${WITNESS_SITE.name}:
  authUrl: ${url}/rooms
  apiKey: ${WITNESS_SITE.key}
  userRoomPrefix: user_
`;
