import { Types } from 'mongoose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createOpenApi } from '../../src/documents/open-api.js';
import { addConversation, addDepartment } from '../integrations/chat/support/chat.js';
import { logIn, OF_PAGE } from '../integrations/console/page.js';
import { openWebsite, type Website } from '../integrations/push-sites/website.js';
import { createTestEnvironment, type TestEnvironment, type TestUser } from '../support/environment.js';
import { API_KEY, signToken, type TestGateway, type TestResponse } from '../support/gateway.js';
import { until } from '../support/until.js';
import { createRestComparison } from './hold.js';

interface Operation {
  readonly operationId?: string;
  readonly security?: readonly Record<string, unknown>[];
  readonly requestBody?: object;
  readonly responses: Record<string, { content: Record<string, { schema?: unknown }> }>;
}

/** An operation of the document, and where it is. */
interface Documented {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

const document = JSON.parse(JSON.stringify(createOpenApi()));
const documented: Documented[] = Object.entries<Record<string, Operation>>(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
);
const guarded = documented.filter(({ operation }) => operation.security?.length !== 0);
const compare = createRestComparison(document);

let environment: TestEnvironment;
let website: Website;

beforeAll(async () => {
  website = await openWebsite();
  const env = { SITE_NAME: 'news', AUTH_URL: `${website.url}/rooms`, API_KEY: 'key of news' };
  environment = await createTestEnvironment({ env: { ...env, BODY_LIMIT: '4096' } });
});
afterAll(async () => {
  await environment.close();
  await website.close();
});

const gatewayOf = ({ nodes: [gateway] }: TestEnvironment): TestGateway => {
  if (gateway === undefined) throw new Error('there is no gateway');
  return gateway;
};

/** A call with these headers and no others. */
const call = (method: string, path: string, headers: Record<string, string> = {}, body?: unknown) =>
  gatewayOf(environment).call(method, path, body, { 'x-api-key': '', ...headers });

/** Holds when the document has an answer of this status, of this type and of this form. */
function expectDocumented({ operation: { responses } }: Documented, { status, headers, text, json }: TestResponse) {
  const content = (responses[status] ?? responses['default'])?.content ?? {};
  const [type = ''] = headers.get('content-type')?.split(';') ?? [];
  const described = content[type] ?? content['*/*'];
  expect(described, `${status} ${type}`).toBeDefined();
  if (described?.schema !== undefined) expect(compare(described.schema, json ?? text), text).toEqual([]);
}

const fill = (path: string, value = 'a'.repeat(24)): string => path.replace(/\{\w+\}/g, value);

describe.each(guarded)('a failed call has the documented form: $method $path', (documentedCall) => {
  const { method, path, operation } = documentedCall;
  const schemes = (operation.security ?? document.security).flatMap((one: object) => Object.keys(one));

  test('without credentials', async () => {
    const response = await call(method, fill(path));
    expect(response.status).toBe(path === '/send' ? 400 : 401);
    expectDocumented(documentedCall, response);
  });

  test('with wrong credentials', async () => {
    const response = await call(method, `${fill(path)}?site=news`, { 'x-api-key': 'no', authorization: 'Bearer no' });
    expect(response.status).toBe(401);
    expectDocumented(documentedCall, response);
  });

  /** Authenticated calls. */
  async function credentials(): Promise<Record<string, string>> {
    if (schemes.includes('console')) return asSession();
    if (!schemes.includes('user')) return { 'x-api-key': schemes.includes('site') ? 'key of news' : API_KEY };
    const [ann] = await environment.people('Ann');
    return asUser(ann);
  }

  if (path.includes('{')) {
    test('with an invalid id', async () => {
      const response = await call(method, fill(path, 'x'.repeat(300)), await credentials());
      expect(response.status).toBe(400);
      expectDocumented(documentedCall, response);
    });
  }

  if (operation.requestBody !== undefined) {
    test('with an unreadable body', async () => {
      const headers = await credentials();
      for (const [body, status] of [
        ['{', 400],
        [JSON.stringify('x'.repeat(5000)), 413],
      ] as const) {
        const response = await call(method, `${fill(path)}?site=news`, headers, body);
        expect(response.status).toBe(status);
        expectDocumented(documentedCall, response);
      }
    });
  }
});

const asUser = ({ id }: TestUser) => ({ authorization: `Bearer ${signToken({ uid: id })}` });

/** The page of the console, logged in. */
async function asSession(): Promise<Record<string, string>> {
  return { ...OF_PAGE, cookie: await logIn(gatewayOf(environment), API_KEY) };
}

test('every call that succeeds has the documented form', async () => {
  const { models } = environment;
  const backend = { 'x-api-key': API_KEY };
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const departmentId = await addDepartment(environment, ann);
  const conversationId = await addConversation(environment, [ann, bob], { departmentId });
  const contact = await models.Contact.create({ account: new Types.ObjectId(ann.accountId), name: 'Carla' });
  const client = await environment.open(ann);
  await client.ask('prospect_add_conversation', { contact_id: String(contact._id), channel_id: 'sms' });
  const [{ _id: prospectId }] = await client.next('prospect_add_conversation');
  const note = await client.ask('prospect_add_note', { conversation_id: prospectId, data: 'Call back' });
  const chatClient = await environment.open(ann, { namespace: '/' });
  const { data: file } = await chatClient.ask('file_upload', Buffer.from('text'), {
    conversationId,
    fileName: 'a.txt',
  });
  const chat = await models.Chat.create({ participants: [ann.id, bob.id], type: 'group', groupName: 'Both' });

  const answers: Record<string, TestResponse> = {};
  const [mine, emit] = [asUser(ann), { ...backend, 'idempotency-key': 'once' }];
  const answer = async (id: string, ...request: Parameters<typeof call>): Promise<TestResponse> => {
    answers[id] = await call(...request);
    return answers[id];
  };
  const conversations = '/api/v1/conversations';
  const durable = await answer('emit-api.emit', 'POST', `/emit/${ann.id}/news?durable=true`, emit, { a: 1 });
  await answer('emit-api.emitStatus', 'GET', `/emit/${durable.json.data.id}`, backend);
  const items = [
    { userId: ann.id, event: 'news', durable: true },
    { userId: bob.id, event: 'news' },
    { event: 'news' },
  ];
  await answer('emit-api.emitBatch', 'POST', '/emit', backend, { items });
  await answer('emit-api.broadcast', 'POST', '/broadcast/news', backend, {});
  await answer('emit-api.presence', 'GET', `/users/${ann.id}/presence`, backend);
  await answer('emit-api.deliveries', 'GET', `/users/${ann.id}/deliveries`, backend);
  await answer('emit-api.presences', 'POST', '/presence', backend, { userIds: [ann.id, bob.id] });
  await answer('lead-finder.emit', 'POST', `/lead-finder/${'s'.repeat(16)}/emit/progress`, backend, {});
  const { _id: noteId } = note.data.message;
  await answer('prospect.emitMessage', 'GET', `/conversations/prospect/emit/message/${noteId}`, backend);
  const prospectPath = `/conversations/prospect/emit/conversation/${prospectId}/new`;
  await answer('prospect.emitConversation', 'GET', prospectPath, backend);
  const query = '/send?site=news&apiKey=key%20of%20news';
  await answer('push-sites.send', 'POST', query, {}, { rooms: 'staff', event: 'news', args: [1] });
  await answer('support.createConversation', 'POST', conversations, mine, { participants: [bob.id], departmentId });
  await answer('support.sendMessage', 'POST', `${conversations}/${conversationId}/messages`, mine, {
    content: 'Hello',
  });
  await answer('support.listMessages', 'GET', `${conversations}/${conversationId}/messages`, mine);
  await answer('support.listConversations', 'GET', conversations, mine);
  await answer('support.listDepartments', 'GET', '/api/v1/departments', mine);
  const assignment = [`${conversations}/${conversationId}/assign`, mine, { agentId: ann.id }] as const;
  await answer('support.assignConversation', 'POST', ...assignment);
  await answer('support.closeConversation', 'POST', `${conversations}/${conversationId}/close`, mine);
  await answer('support.readFile', 'GET', `/files/${file.fileId}`, mine);
  await answer('community.openDirectChat', 'POST', '/api/chats/direct', mine, { participantId: bob.id });
  await answer('community.sendMessage', 'POST', `/api/chats/${chat._id}/messages`, mine, { content: 'Hello' });
  await answer('community.listMessages', 'GET', `/api/chats/${chat._id}/messages`, mine);
  await answer('community.listChats', 'GET', '/api/chats', mine);
  await answer('emit-api.disconnect', 'POST', `/users/${ann.id}/disconnect`, backend, { reason: 'done' });
  await answer('emit-api.revokeTokens', 'POST', '/tokens/revoke', backend, { jti: 'token' });
  await answer('administration.connections', 'GET', `/users/${ann.id}/connections`, backend);
  await answer('administration.devices', 'GET', `/users/${ann.id}/devices`, backend);
  const [device, anyDevice] = [`/users/${ann.id}/devices/phone`, `/users/${ann.id}/device`];
  const isDone = async (...request: Parameters<typeof answer>) => (await answer(...request)).status === 200;
  const phone = await environment.open(ann, { auth: { token: signToken({ uid: ann.id }), deviceId: 'phone' } });
  await until(() => isDone('administration.clearDevice', 'DELETE', `${device}/messages`, backend));
  phone.close();
  await until(() => isDone('administration.forgetDevice', 'DELETE', device, backend));
  const unnamed = await environment.open(ann);
  await until(() => isDone('administration.clearAnyDevice', 'DELETE', `${anyDevice}/messages?deviceId=`, backend));
  unnamed.close();
  await until(() => isDone('administration.forgetAnyDevice', 'DELETE', `${anyDevice}?deviceId=`, backend));
  await answer('administration.block', 'POST', `/users/${bob.id}/block`, backend, { seconds: 60 });
  await answer('administration.blockOf', 'GET', `/users/${bob.id}/block`, backend);
  await answer('administration.unblock', 'DELETE', `/users/${bob.id}/block`, backend);
  const nodes = await answer('administration.nodes', 'GET', '/nodes', backend);
  const [{ id: nodeId }] = nodes.json.data.nodes;
  await answer('administration.nodeConnections', 'GET', `/nodes/${nodeId}/connections`, backend);
  await answer('inspection.users', 'GET', `/users?search=${ann.id}`, backend);
  await answer('inspection.user', 'GET', `/users/${ann.id}`, backend);
  await answer('inspection.messages', 'GET', '/messages?idempotencyKey=once', backend);
  await answer('inspection.message', 'GET', `/messages/${durable.json.data.id}`, backend);
  await answer('inspection.live', 'GET', '/live', backend);
  await answer('cluster.overview', 'GET', '/cluster', backend);
  await answer('cluster.history', 'GET', '/cluster/history', backend);
  await answer('site-status.sites', 'GET', '/sites', backend);
  await answer('console.logIn', 'POST', '/console/api/session', OF_PAGE, { key: API_KEY });
  const ofSession = await asSession();
  await answer('console.session', 'GET', '/console/api/session', ofSession);
  await answer('console.token', 'POST', '/console/api/token', ofSession, { uid: ann.id });
  await answer('console.logOut', 'DELETE', '/console/api/session', ofSession);
  for (const { path, operation } of documented) {
    const { operationId = path } = operation;
    if (operationId.startsWith('operation.')) await answer(operationId, 'GET', path, backend);
  }
  // The last one: the node is not ready any more.
  await answer('administration.drainNode', 'POST', `/nodes/${nodeId}/drain`, backend);

  const found = documented.map((one) => ({ ...one, response: answers[one.operation.operationId ?? one.path] }));
  expect(found.filter(({ response }) => response === undefined).map(({ path }) => path)).toEqual([]);
  for (const { response, ...one } of found) {
    if (response === undefined) continue;
    const succeeded = Object.keys(one.operation.responses)[0];
    expect([one.path, String(response.status), response.text]).toEqual([one.path, succeeded, response.text]);
    expectDocumented(one, response);
  }
});

test('routes with their own limit answer as documented', async () => {
  const [ann] = await environment.people('Ann');
  const conversationId = await addConversation(environment, [ann]);
  const path = '/api/v1/conversations/{id}/messages';
  const limited = documented.find((one) => one.path === path && one.method === 'POST');
  let response: TestResponse;
  do {
    response = await call('POST', path.replace('{id}', conversationId), asUser(ann), { content: 'again' });
  } while (response.status === 201);
  expect([response.status, response.json]).toMatchObject([429, { limit: 50, windowMs: 60_000 }]);
  if (limited !== undefined) expectDocumented(limited, response);
});
