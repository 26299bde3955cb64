import { Types } from 'mongoose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { catalogue } from '#shared/contracts/errors.js';
import { toJsonSchema } from '../../src/documents/json-schema.js';
import { createLogger } from '../../src/platform/logging/logger.js';
import { addChat } from '../integrations/chat/community/community.js';
import { addConversation, addDepartment } from '../integrations/chat/support/chat.js';
import type { TestClient } from '../support/client.js';
import { createTestClock } from '../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../support/environment.js';
import { API_KEY, signToken } from '../support/gateway.js';
import { changesBetween, takeSnapshot } from './database.js';
import type { EventRow, Ids, RouteRow } from './kinds.js';
import { type EventOperation, operations, type RouteOperation } from './operations.js';
import { rowOf } from './rows/index.js';

/*
 * Every field of every event and route that is an id, with every id and non-id: what belongs to others is neither shown, told nor
 * changed, and nothing is an internal error. The fields are those of the contracts, so a new event takes part by itself; what
 * else it needs is in its row of the matrix.
 */

/** Stands in everything that belongs to others, and nowhere else. */
const SECRET = 'of-others-alone';
/** Ids that a caller chooses freely. They name nothing of anybody. */
const FREE =
  /^(uuid|visitorId|clientMessageId|clientConversationId|channel_id|device_?id|search|token|jti|key|scraper_?id)$/i;
const ID_PATTERN = /0-9a-f.*\{24\}/;

/** Two people of an account, with something of each kind between them. */
interface World {
  readonly people: readonly TestUser[];
  readonly ids: Ids;
  readonly all: readonly string[];
}

let environment: TestEnvironment;
let own: World;
let others: World;
const clients = new Map<string, Promise<TestClient>>();
/** What clients heard, as text, by whose they are. */
const heard = { own: [] as string[], others: [] as string[] };
const errors: string[] = [];
const clock = createTestClock();
const TICK_MS = 20;
const [PASSED_MS, STEP_MS] = [62_000, 4000];

/** Waits for work. Time passes meanwhile, because the gateway may wait for something. */
async function wait<T>(work: Promise<T>): Promise<T> {
  let isSettled = false;
  const settled = work.finally(() => {
    isSettled = true;
  });
  // Without a handler a rejection would count as unhandled while time passes.
  settled.catch(() => undefined);
  await clock.advanceUntil(TICK_MS, () => isSettled);
  return settled;
}

/** What was sent so far has arrived then. */
async function settle(): Promise<void> {
  for (const { accountId } of [own.ids, others.ids])
    await wait(backend('POST', `/broadcast/barrier?account=${accountId}&namespace=*`, {}));
}

const backend = (method: string, path: string, body?: unknown, headers = {}) =>
  environment.node(0).call(method, path, body, headers);

async function createWorld(who: keyof typeof heard, names: readonly [string, string], text: string): Promise<World> {
  const people = await environment.people(...names);
  const [user, friend] = people;
  const { models } = environment;
  const departmentId = await addDepartment(environment, ...people);
  await models.Department.updateOne({ _id: departmentId }, { name: text });
  const open = async (person: TestUser, namespace: string): Promise<TestClient> => {
    const client = await environment.open(person, { namespace, query: { departmentId } });
    client.socket.onAny((...args: unknown[]) => void heard[who].push(JSON.stringify(args)));
    return client;
  };
  for (const person of people) {
    for (const namespace of ['/v1/conversation', '/v1/conversation/live', '/v1/shared', '/', '/department']) {
      const client = open(person, namespace);
      if (person === user && who === 'own') clients.set(namespace, client);
      await client;
    }
  }
  const team = await open(user, '/v1/conversation');
  const made = dataOf(await team.ask('add_conversation', { users: [friend.id], channel_id: 'general', title: text }));
  const teamId: string = made.conversation._id;
  const said = async (client: TestClient, event: string, data: object) => {
    const answer = dataOf(await client.ask(event, data));
    return String(answer.message?._id ?? answer._id);
  };
  const teamMessage = await said(team, 'message', { conversation_id: teamId, data: text });
  const account = new Types.ObjectId(user.accountId);
  const contact = await models.Contact.create({ account, name: text });
  const draft = { contact_id: String(contact._id), users: [friend.id], channel_id: 'sms', title: text };
  dataOf({ data: null, ...(await team.ask('prospect_add_conversation', draft)) });
  const prospectId = String((await models.ConversationProspect.findOne({ contact_id: contact._id }).lean())?._id);
  const note = await said(team, 'prospect_add_note', { conversation_id: prospectId, data: text });
  const chats = await open(user, '/');
  const supportId = await addConversation(environment, people, { departmentId, subject: text });
  const supportMessage = await said(chats, 'send_message', { conversationId: supportId, content: text });
  const upload = { conversationId: supportId, fileName: 'a.txt' };
  const { fileId } = dataOf(await chats.ask('file_upload', Buffer.from(text), upload));
  const chatId = await addChat(environment, people, { groupName: text });
  const chatMessage = await said(chats, 'chat:send_message', { chatId, content: text });
  const notification = await models.Notification.create({
    recipient: new Types.ObjectId(user.id),
    title: text,
    message: text,
  });
  const emitId = dataOf((await backend('POST', `/emit/${user.id}/${text}?durable=true`, { text })).json).id;
  const toIds = (id: string, messageId: string) => ({ id, messageId, ownMessageId: messageId });
  const ids: Ids = {
    self: user.id,
    renewal: signToken({ uid: user.id, account_id: user.accountId }),
    owner: friend.id,
    agent: friend.id,
    accountId: user.accountId,
    departmentId,
    contactId: String(contact._id),
    scraperId: `scraper-${text}`,
    emitId,
    site: 'no-site',
    notificationId: String(notification._id),
    support: { ...toIds(supportId, supportMessage), fileId },
    chat: toIds(chatId, chatMessage),
    team: toIds(teamId, teamMessage),
    prospect: toIds(prospectId, note),
  };
  const { self, owner, accountId, contactId, notificationId, support, chat, prospect } = ids;
  const ofTalks = [support, chat, ids.team, prospect].flatMap(({ id, messageId }) => [id, messageId]);
  // Anyone may begin a conversation with any department.
  const all = [self, owner, accountId, contactId, emitId, notificationId, fileId, ...ofTalks];
  return { people, ids, all };
}

beforeAll(async () => {
  const logger = createLogger({ level: 'error', isPretty: false }, { write: (line) => void errors.push(line) });
  environment = await createTestEnvironment({ env: { MESSAGE_LIMIT: '1000000' }, overrides: { clock, logger } });
  own = await wait(createWorld('own', ['Cat', 'Dan'], 'of-the-caller'));
  others = await wait(createWorld('others', [`Ann-${SECRET}`, `Bob-${SECRET}`], SECRET));
  // What was told to others is compared with what is stored until then.
  for (let passedMs = 0; passedMs < PASSED_MS; passedMs += STEP_MS) {
    clock.advance(STEP_MS);
    await settle();
  }
});
afterAll(() => environment.close());

/** A field that is an id; `*`: each element of a list. */
type Path = readonly string[];

/** The ids of a JSON Schema, at any depth. */
function idsIn(schema: unknown, path: Path = []): Path[] {
  if (schema === null || typeof schema !== 'object') return [];
  const { type, pattern, properties = {}, items, maxLength, minLength } = schema as Record<string, never>;
  const name = path.filter((key) => key !== '*').at(-1) ?? '';
  const isOpaque = type === 'string' && minLength === 1 && maxLength === 128 && name !== 'event';
  const isId = ID_PATTERN.test(String(pattern ?? '')) || isOpaque;
  const parts = ['anyOf', 'oneOf', 'allOf', 'prefixItems'].flatMap(
    (key) => ((schema as Record<string, unknown>)[key] ?? []) as unknown[],
  );
  const inner = [
    ...Object.entries(properties as Record<string, unknown>).flatMap(([key, part]) => idsIn(part, [...path, key])),
    ...(items === undefined ? [] : idsIn(items, [...path, '*'])),
    ...parts.flatMap((part) => idsIn(part, path)),
  ];
  const found = isId ? [path, ...inner] : inner;
  return [...new Map(found.map((one) => [one.join('.'), one])).values()].filter(
    (one) => !FREE.test(one.filter((key) => key !== '*').at(-1) ?? ''),
  );
}

const idsOf = (schema: z.ZodType | undefined): Path[] =>
  schema === undefined ? [] : idsIn(toJsonSchema(schema, 'draft-2020-12', new Map()));

/** The same with a value in a place. */
function withValue(data: unknown, [key, ...rest]: Path, value: unknown): unknown {
  if (key === undefined) return value;
  if (key === '*') return [withValue(Array.isArray(data) ? data[0] : undefined, rest, value)];
  const object = typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : {};
  return { ...object, [key]: withValue(object[key], rest, value) };
}

function valueAt(data: unknown, [key, ...rest]: Path): unknown {
  if (key === undefined || data === null || data === undefined) return data;
  return valueAt((data as Record<string, unknown>)[key === '*' ? '0' : key], rest);
}

/** What is put into a field. @param good what its row has there */
function valuesFor(good: unknown): readonly unknown[] {
  const text = typeof good === 'string' ? good : own.ids.self;
  const forms = [
    text.toUpperCase(),
    `${text} `,
    ` ${text}`,
    `${text}\0`,
    7,
    'x'.repeat(9999),
    '',
    { $ne: null },
    { $gt: '' },
  ];
  return [...others.all, ...own.all, String(new Types.ObjectId()), ...forms, null, true, [text], [null], [text, text]];
}

/** In a query or a path there is only text. */
const textsFor = (good: unknown): readonly string[] => valuesFor(good).filter((value) => typeof value === 'string');

interface Found {
  readonly about: string;
  readonly code: string | undefined;
  readonly answer: string;
}

/** What is wrong with an answer. */
const judge = ({ about, code, answer }: Found): string[] => [
  ...(answer.includes(SECRET) ? [`${about} shows ${answer}`] : []),
  ...(code === 'INTERNAL_ERROR' || (code !== undefined && !(code in catalogue)) ? [`${about}: ${code}`] : []),
];

/** Looks at what the calls of one operation have left. */
async function held(key: string, work: () => Promise<Found[]>, mayTouchOthers: boolean): Promise<string[]> {
  // All limits begin anew.
  clock.advance(PASSED_MS);
  await settle();
  heard.own.length = 0;
  heard.others.length = 0;
  errors.length = 0;
  const before = await takeSnapshot(environment.connection);
  const found = await wait(work());
  expect(found.length, `${key} has ids`).toBeGreaterThan(0);
  const faults = found.flatMap(judge);
  if (mayTouchOthers) return faults;
  // What these calls have caused comes before what answers this one.
  await settle();
  const changes = changesBetween(before, await takeSnapshot(environment.connection));
  const isOfOthers = (text = ''): boolean => text.includes(SECRET) || others.all.some((id) => text.includes(id));
  return [
    ...faults,
    ...changes
      .filter(({ before: old, after }) => isOfOthers(old) || isOfOthers(after))
      .map(({ key: document, before: old, after }) => `${key} stored ${document}: ${old} → ${after}`),
    ...heard.others
      .filter((text) => !text.includes('barrier') && !/^\["presence/.test(text))
      .map((text) => `${key}: others heard ${text}`),
    ...heard.own.filter((text) => text.includes(SECRET)).map((text) => `${key}: the caller heard ${text}`),
    ...errors.map((line) => `${key} logged ${line}`),
  ];
}

const events = operations.filter((one): one is EventOperation => one.kind === 'event');
const routes = operations.filter((one): one is RouteOperation => one.kind === 'route');

const eventsWithIds = events.filter(
  ({ namespace, event, name }) =>
    namespace !== '/v1/lead-finder' &&
    // The same handlers as those of `/v1/conversation`.
    namespace !== '/v1/conversation/live' &&
    name !== 'refresh_token' &&
    !event.takesBinary &&
    idsOf(event.payload).length > 0,
);

describe('no event shows, tells or changes what belongs to others', () => {
  test.each(eventsWithIds.map((operation) => [operation.key, operation] as const))('%s', async (key, operation) => {
    const { event, namespace, name } = operation;
    const client = await clients.get(namespace);
    const ask = async (path: Path, value: unknown): Promise<Found> => {
      const args = (rowOf(operation) as EventRow).args(own.ids);
      const data = event.takesAllArguments ? args : args[0];
      const changed = withValue(data, path, value);
      const answer = await client?.ask(name, ...(event.takesAllArguments ? (changed as unknown[]) : [changed]));
      const code = answer.success === true ? undefined : String(answer.code ?? answer.message);
      return {
        about: `${key} ${path.join('.')} = ${JSON.stringify(value)?.slice(0, 80)}`,
        code,
        answer: JSON.stringify(answer),
      };
    };
    const work = async (): Promise<Found[]> => {
      const found: Found[] = [];
      for (const path of idsOf(event.payload)) {
        const good = valueAt((rowOf(operation) as EventRow).args(own.ids)[0], path);
        for (const value of valuesFor(good)) found.push(await ask(path, value));
        const list = path.at(-1) === '*' ? path.slice(0, -1) : undefined;
        for (const other of list === undefined ? [] : others.all)
          found.push(
            await ask(list ?? [], [good ?? own.ids.owner, other, other, null]),
            await ask(list ?? [], [good ?? own.ids.owner, other]),
          );
      }
      return found;
    };
    expect(await held(key, work, false)).toEqual([]);
  });
});

const routesWithIds = routes.filter(({ route: { params, query, body } }) =>
  [params, query, body].some((part) => idsOf(part).length > 0),
);

describe('no route shows, tells or changes what belongs to others', () => {
  test.each(routesWithIds.map((operation) => [operation.key, operation] as const))('%s', async (key, operation) => {
    const { route } = operation;
    const { caller = 'backend' } = route;
    const headers =
      caller === 'user'
        ? {
            'x-api-key': '',
            authorization: `Bearer ${signToken({ uid: own.ids.self, account_id: own.ids.accountId })}`,
          }
        : { 'x-api-key': API_KEY };
    const ask = async (part: 'params' | 'query' | 'body', path: Path, value: unknown): Promise<Found> => {
      const request: Partial<Record<'params' | 'query' | 'body', unknown>> =
        (rowOf(operation) as RouteRow).request?.(own.ids) ?? {};
      const {
        params = {},
        query = {},
        body,
      } = { ...request, [part]: withValue(request[part], path, value) } as typeof request;
      const filled = route.path.replaceAll(/:(\w+)/g, (_, name: string) =>
        encodeURIComponent((params as Record<string, string>)[name] ?? ''),
      );
      const search = new URLSearchParams(query as Record<string, string>);
      const { status, text, json } = await backend(route.method.toUpperCase(), `${filled}?${search}`, body, headers);
      const code =
        status < 300 ? undefined : status >= 500 ? 'INTERNAL_ERROR' : (json?.code ?? json?.message ?? 'NOT_FOUND');
      return {
        about: `${key} ${part}.${path.join('.')} = ${JSON.stringify(value)?.slice(0, 80)}`,
        code,
        answer: caller === 'user' ? text : '',
      };
    };
    const work = async (): Promise<Found[]> => {
      const found: Found[] = [];
      for (const part of ['params', 'query', 'body'] as const) {
        for (const path of idsOf(route[part])) {
          const good = valueAt((rowOf(operation) as RouteRow).request?.(own.ids)?.[part], path);
          const values = part === 'body' ? valuesFor(good) : textsFor(good);
          for (const value of values) found.push(await ask(part, path, value));
        }
      }
      return found;
    };
    expect(await held(key, work, caller !== 'user')).toEqual([]);
  });
});
