import { expect, onTestFinished, test } from 'vitest';
import { createTestEnvironment } from '../../../support/environment.js';
import { startFcm } from '../../../support/fcm.js';
import { startRedis } from '../../../support/redis-server.js';
import { until } from '../../../support/until.js';
import { addChat, call, members, open, say, talk } from './community.js';

test('a message that cannot be sent to other nodes is stored, sent on this node, and answered once', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.dispose());
  const environment = await createTestEnvironment({ env: { REDIS_URL: redis.url } });
  onTestFinished(() => environment.close());
  const { ann, bob, a, b, chatId } = await talk(environment);
  await redis.stop();
  await until(async () => (await environment.nodes[0]?.call('GET', '/health/ready'))?.status === 503);

  const answer = await call(environment, ann, ['POST', `/api/chats/${chatId}/messages`, { content: 'REST' }]);
  expect([answer.status, answer.json.message]).toEqual([201, 'Message sent successfully']);
  expect((await b.next('chat:new_message'))[0].message).toEqual(answer.json.data);
  const message = await say(a, chatId, 'socket');
  expect((await b.next('chat:new_message'))[0].message).toEqual(message);
  expect(a.received('error')).toEqual([]);
  // It is not known who is there: better one notification too many than one that is missing.
  expect(await environment.models.Notification.countDocuments({ recipient: bob.id })).toBe(2);
  expect(await a.ask('presence:get_online', { chatId })).toMatchObject({ success: false, code: 'UNAVAILABLE' });
});

test('during an outage users without a socket on this node get a push, users viewing another chat do not', async () => {
  const fcm = await startFcm();
  onTestFinished(() => fcm.close());
  const environment = await createTestEnvironment({ env: fcm.env, overrides: { pushAgent: fcm.agent } });
  onTestFinished(() => environment.close());
  const [ann, bob, cid] = await members(environment, ['Ann', 'Bob', 'Cid']);
  const chatId = await addChat(environment, [ann, bob, cid], { groupName: 'Healing' });
  const account_id = chatId;
  await environment.models.FcmToken.create(
    [bob, cid].map(({ id, name }) => ({ account_id, user_id: id, web_token: [name] })),
  );
  const a = await open(environment, ann);
  const b = await open(environment, bob);
  await b.ask('chat:leave', { chatId });
  const { _id: id } = await say(a, chatId, 'Are you there?');
  await fcm.has('Cid Doe', 1);
  expect(fcm.messages).toMatchObject([
    {
      token: 'Cid Doe',
      notification: { title: 'Healing', body: 'Are you there?' },
      data: { id, event: 'chat:new_message', chat_id: chatId },
    },
  ]);
  await b.next('notification:new');
});
