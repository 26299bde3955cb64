import { expect, test } from 'vitest';
import { connect, connectSite, eventsOf, type GatewayClient, type NamespaceName } from '#shared/client/index.js';

const url = 'http://localhost:1';
const token = async (): Promise<string> => 'token';

/** Compiled and never run: the compiler is what is tested. */
function wrongCallsDoNotCompile(): void {
  const shared = connect({ url, namespace: '/v1/shared', token, events: eventsOf<{ note: [{ title: string }] }>() });
  const team = connect({ url, namespace: '/v1/conversation', token });
  const chat = connect({ url, namespace: '/', token });

  // @ts-expect-error no such namespace
  connect({ url, namespace: '/v1/sharde', token });
  // @ts-expect-error users need a token
  connect({ url, namespace: '/v1/shared' });
  // @ts-expect-error a token is asked for again at each connect
  connect({ url, namespace: '/v1/shared', token: 'token' });
  // @ts-expect-error a department is named in the query
  connect({ url, namespace: '/department', token });
  // @ts-expect-error by the right name
  connect({ url, namespace: '/department', token, query: { department: '1' } });

  // @ts-expect-error no such event
  void team.emit('mesage', { conversation_id: '1', data: 'x' });
  // @ts-expect-error an event of another namespace
  void shared.emit('typing', { conversation_id: '1' });
  // @ts-expect-error a missing field
  void team.emit('message', { conversation_id: '1' });
  // @ts-expect-error a wrong type
  void team.emit('message', { conversation_id: '1', data: 7 });
  // @ts-expect-error an unknown field
  void team.emit('message', { conversation_id: '1', data: 'x', txt: 'x' });
  // @ts-expect-error not one of the values
  void team.emit('active_status', { status: 'asleep' });
  // @ts-expect-error missing data
  void team.emit('message');
  // @ts-expect-error the answer has no such field
  void team.emit('message', { conversation_id: '1', data: 'x' }).then(({ text }) => text);
  // @ts-expect-error bytes come first
  void chat.emit('file_upload', { conversationId: '1', fileName: 'a' });

  // @ts-expect-error no such event
  chat.on('new_mesage', () => undefined);
  // @ts-expect-error not an event that was declared
  shared.on('notes', () => undefined);
  // @ts-expect-error a payload of another form
  shared.on('note', ({ text }: { text: string }) => text);
  // @ts-expect-error the name of the gateway's own event, with another payload
  team.on('typing', ({ user }: { user: number }) => user);
  // @ts-expect-error what the client handles itself
  shared.on('_batch', () => undefined);
  // @ts-expect-error nothing is known of an event that was not declared
  team.on('anything', ({ title }) => title);
}

function rightCallsCompile(): void {
  const events = eventsOf<{ note: [{ title: string }]; pair: [string, number] }>();
  const shared = connect({ url, namespace: '/v1/shared', token, events });
  shared.on('note', ({ title }) => title.length);
  shared.on('pair', async (name, count) => name.repeat(count));
  shared.on('auth_expiring', ({ expires_in }) => expires_in.toFixed());
  void shared.emit('join').then((answer: undefined) => answer);

  const team = connect({ url, namespace: '/v1/conversation/live', token });
  void team.emit('list_conversation', { limit: 5 }).then(({ conversation, paging }) => {
    return paging.has_next ? conversation.map(({ title }) => title.length) : [];
  });
  team.on('message', ({ sent_by, data }) => sent_by.name + data);
  team.on('counters', ({ counters, version }) => counters.unread + version);
  team.on('anything', (data) => data);

  const chat: GatewayClient<'/', Record<never, never>> = connect({ url, namespace: '/', token, events: {} });
  void chat.emit('file_upload', new Uint8Array(1), { conversationId: '1', fileName: 'a' }).then(({ fileId }) => fileId);
  void chat.emit('chat:send_message', { chatId: '1', content: 'x' }).then(({ senderName }) => senderName.length);
  connect({ url, namespace: '/department', token, query: { departmentId: '1' } }).on('agent_online', () => undefined);
  connect({ url, namespace: '/v1/lead-finder' });
  connectSite({ url, site: 'news', token, events: eventsOf<{ update: [string, { id: number }] }>() }).on(
    'update',
    (type, { id }) => type.length + id,
  );
  const names: NamespaceName[] = ['/', '/department', '/v1/shared', '/v1/conversation', '/v1/lead-finder'];
  void names;
}

test('calls are checked by the compiler', () => {
  // What must not compile is marked in this file; `npm run typecheck` fails when a mark is wrong.
  expect([wrongCallsDoNotCompile, rightCallsCompile]).toHaveLength(2);
});
