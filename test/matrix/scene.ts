import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Types } from 'mongoose';
import { publishedNamespaces } from '#shared/contracts/index.js';
import { createLogger } from '../../src/platform/logging/logger.js';
import { openWebsite } from '../integrations/push-sites/website.js';
import { connect, type TestClient } from '../support/client.js';
import { createTestClock } from '../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../support/environment.js';
import type { TestResponse } from '../support/gateway.js';
import type { Kind } from './kinds.js';
import { type Actor, addPeople, type People, REVOKED_TOKEN_ID } from './people.js';
import { BELL, createRecord, type Heard, type Witness } from './witnesses.js';

/** The push site of the matrix. */
export const site = { name: 'news', key: 'the key of the push site', token: 'reader' } as const;
/** Another push site, which must not reach the first. */
export const otherSite = { name: 'shop', key: 'the key of another push site', token: 'other-reader' } as const;

/** Two nodes with everyone in the matrix, and witnesses who listen. */
export interface Scene {
  readonly environment: TestEnvironment;
  readonly people: People;
  readonly departmentId: string;
  /** The socket of a caller on a namespace of the second node; opened once. */
  clientOf(kind: Kind, namespace: string): Promise<TestClient>;
  /** Opens a socket, on the second node by default, for the department of the owner if it is one of an agent. */
  open(actor: Pick<Actor, 'token'>, namespace: string, node?: number): Promise<TestClient>;
  /** Waits for work. Time passes meanwhile, because the gateway may wait for something. */
  wait<T>(work: Promise<T>): Promise<T>;
  /** What witnesses have heard since the last call, after everything sent so far has arrived. Time passes. */
  hear(): Promise<Heard[]>;
  /** The errors that the nodes have logged since the last call. */
  takeErrors(): string[];
  /** Resets all rate limits: the matrix is not about them. */
  resetLimits(): Promise<void>;
  close(): Promise<void>;
}

/**
 * The time that {@link Scene.hear} lets pass: longer than refusals are cached, than changes are held back to be told
 * together, than typing lasts, and than it takes to compare twice what messages have changed, each time after the answers of the
 * database.
 */
const [PASSED_MS, STEP_MS] = [12_000, 2000];
/** A comparison reads what is stored, and then what it sends: the conversation, its members, and who is online. */
const QUESTIONS = 3;
/** The step of {@link Scene.wait}: about as fast as real time. */
const TICK_MS = 20;

const DAY_S = String(24 * 60 * 60);
/** Lives longer than all operations take by the clock of the scene: none may depend on how many ran before it. */
const LASTING = { RECEIPT_TTL: DAY_S, DEVICE_TTL: DAY_S };

const DELETE_LIMITS = "for _, key in ipairs(redis.call('KEYS', '*limit:*')) do redis.call('DEL', key) end";

export async function openScene(): Promise<Scene> {
  const clock = createTestClock();
  const errors: string[] = [];
  const logger = createLogger({ level: 'error', isPretty: false }, { write: (line) => void errors.push(line) });
  const sites = await openSites();
  const environment = await createTestEnvironment({ nodes: 2, overrides: { clock, logger }, env: sites.env });
  const { models } = environment;
  const visited = new models.SupportConversation({ participants: [], visitorId: 'visitor-1' });
  await visited.save();
  const people = await addPeople(models, { visitedId: String(visited._id), siteToken: otherSite.token });
  const { owner, ringer, stranger, actors } = people;
  const addDepartment = async (name: string, members: readonly Actor[]): Promise<string> => {
    const ids = members.map(({ id }) => new Types.ObjectId(id));
    return String((await models.Department.create({ name, members: ids }))._id);
  };
  const inside = [owner, actors.member, actors.noScope, actors.locked, actors.deactivated];
  const departmentId = await addDepartment('Sales', [...inside, ringer]);
  const otherId = await addDepartment('Returns', [people.otherAgent, actors.otherDepartment, ringer]);

  const departmentOf = (actor: Pick<Actor, 'token'>): string => (actor === people.otherAgent ? otherId : departmentId);
  const open: Scene['open'] = async (actor, namespace, node = 1) =>
    connect(environment.node(node), {
      namespace,
      claims: null,
      query: { departmentId: departmentOf(actor) },
      ...(actor.token === undefined ? {} : { auth: { token: actor.token } }),
    });

  const clients = new Map<string, Promise<TestClient>>();
  const clientOf: Scene['clientOf'] = (kind, namespace) => {
    const key = `${kind} ${namespace}`;
    const client = clients.get(key) ?? open(actors[kind], namespace);
    clients.set(key, client);
    return client;
  };

  await succeed(environment.node(0).call('POST', '/tokens/revoke', { jti: REVOKED_TOKEN_ID }));
  // The other node knows of it after the first `hear`: the bus tells it, and so does the poll of the database.

  const witnesses = await openWitnesses({ environment, people, open, departmentOf });
  const record = createRecord(witnesses, { ringerId: ringer.id });
  const bell = await hangBell({ environment, people, open }, [departmentId, otherId]);
  // Redis may have been slow to start.
  errors.length = 0;

  const wait: Scene['wait'] = async (work) => {
    let isSettled = false;
    const settled = work.finally(() => {
      isSettled = true;
    });
    // Without a handler a rejection would count as unhandled while time passes.
    settled.catch(() => undefined);
    await clock.advanceUntil(TICK_MS, () => isSettled);
    return settled;
  };

  const passTime = async (): Promise<void> => {
    for (let passedMs = 0; passedMs < PASSED_MS; passedMs += STEP_MS) {
      clock.advance(STEP_MS);
      // What has fallen due gets as long as some questions to the database and to Redis take, one after another.
      for (let asked = 0; asked < QUESTIONS; asked += 1) {
        await Promise.all(
          environment.nodes.flatMap((node) =>
            ['presence', 'deliveries'].map((what) => succeed(node.call('GET', `/users/${stranger.id}/${what}`))),
          ),
        );
      }
    }
  };

  return {
    environment,
    people,
    departmentId,
    clientOf,
    open,
    wait,
    async hear() {
      await passTime();
      return record.take(bell.ring, bell.countOf);
    },
    takeErrors: () => errors.splice(0),
    async resetLimits() {
      await environment.redis().command('EVAL', DELETE_LIMITS, '0');
    },
    async close() {
      for (const { client } of witnesses) client.close();
      bell.close();
      for (const client of await Promise.allSettled(clients.values())) {
        if (client.status === 'fulfilled') client.value.close();
      }
      await environment.close();
      await sites.close();
    },
  };
}

/** @throws Error for a call that fails */
async function succeed(call: Promise<TestResponse>): Promise<void> {
  const { status, text } = await call;
  if (status >= 300) throw new Error(`${status}: ${text}`);
}

/** The websites of both push sites, and the settings of a gateway for them. Each knows its own reader only. */
async function openSites() {
  const websites = await Promise.all(
    [site, otherSite].map(async ({ name, key, token }) => {
      const website = await openWebsite();
      website.rooms.set(token, [`user_${token}`, 'hall']);
      const settings = { authUrl: `${website.url}/rooms`, apiKey: key, userRoomPrefix: 'user_' };
      return { name, settings, website };
    }),
  );
  const directory = await mkdtemp(join(tmpdir(), 'general-socket-'));
  const SITES_FILE = join(directory, 'sites.yml');
  // JSON is YAML.
  const file = Object.fromEntries(websites.map(({ name, settings }) => [name, settings]));
  await writeFile(SITES_FILE, JSON.stringify(file));
  return {
    env: { ...LASTING, SITES_FILE, MESSAGE_LIMIT: '100000', REFUSED_CONNECTS_MAX: '100000' },
    async close() {
      for (const { website } of websites) await website.close();
      await rm(directory, { recursive: true });
    },
  };
}

interface Surroundings {
  readonly environment: TestEnvironment;
  readonly people: People;
  readonly open: Scene['open'];
}

/** Witnesses on each node and each namespace that knows users. */
async function openWitnesses({
  environment,
  people,
  open,
  departmentOf,
}: Surroundings & { departmentOf: (actor: Pick<Actor, 'token'>) => string }): Promise<Witness[]> {
  const { owner, bystander, stranger, otherAgent } = people;
  const namespaces = Object.keys(publishedNamespaces).filter((name) => name !== '/v1/lead-finder');
  const places: [Witness['who'], Pick<Actor, 'token'>, string][] = [
    ...namespaces.map((namespace) => ['owner', owner, namespace] as const),
    ['otherAgent', otherAgent, '/department'],
    // Only members of a department may enter it.
    ...namespaces
      .filter((name) => name !== '/department')
      .flatMap((namespace) => [
        ['bystander', bystander, namespace] as const,
        ['stranger', stranger, namespace] as const,
      ]),
    ['reader', site, `/${site.name}`],
    ['otherReader', otherSite, `/${otherSite.name}`],
  ].map(([who, actor, namespace]) => [who, actor, namespace] as [Witness['who'], Pick<Actor, 'token'>, string]);
  return Promise.all(
    places.flatMap(([who, actor, namespace]) =>
      environment.nodes.map(
        async (_node, node): Promise<Witness> => ({
          who,
          namespace,
          departmentId: departmentOf(actor),
          client: await open(actor, namespace, node),
        }),
      ),
    ),
  );
}

/** A bell that every witness hears from each node, by every way that events take from one node to the others. */
async function hangBell({ environment, people, open }: Surroundings, departmentIds: readonly string[]) {
  const { models, nodes } = environment;
  const { owner, ringer, bystander, stranger } = people;
  const addConversation = async (participants: readonly Actor[], departmentId: string): Promise<string> => {
    const ids = participants.map(({ id }) => id);
    return String((await models.SupportConversation.create({ participants: ids, departmentId }))._id);
  };
  const { _id: bellId } = await models.Department.create({ name: 'Bell' });
  const conversationId = await addConversation([ringer, owner, bystander, stranger], String(bellId));
  const ofDepartments = await Promise.all(departmentIds.map((id) => addConversation([ringer], id)));
  const ringers = await Promise.all(nodes.map((_node, index) => open(ringer, '/', index)));
  let rings = 0;
  return {
    async ring(): Promise<void> {
      rings += 1;
      for (const [index, client] of ringers.entries()) {
        const node = environment.node(index);
        const ask = (event: string, data: object) => Promise.race([client.ask(event, data), client.closed]);
        dataOf(await ask('send_message', { conversationId, content: `${BELL}${rings}` }));
        await ask('join_conversation', { conversationId });
        for (const id of ofDepartments) {
          dataOf(await ask('assign_conversation', { conversationId: id, agentId: ringer.id }));
        }
        for (const { id } of [owner, bystander, stranger]) {
          await succeed(node.call('POST', `/emit/${id}/bell?namespace=*`, {}));
        }
        for (const { name, key } of [site, otherSite]) {
          const body = { rooms: 'hall', event: 'bell', args: [] };
          await succeed(node.call('POST', `/send?site=${name}`, body, { 'x-api-key': key }));
        }
      }
    },
    /** How often a witness on a namespace hears the bell of one ring. */
    countOf(namespace: string): number {
      return namespace === '/' ? 2 * nodes.length : nodes.length;
    },
    close(): void {
      for (const client of ringers) client.close();
    },
  };
}
