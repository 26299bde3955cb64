import { expect, test } from 'vitest';
import { PRESENCE_LIMIT_MS } from '../../../src/realtime/presence/index.js';
import { startGatewayProcess } from '../../support/gateway-process.js';
import { until } from '../../support/until.js';
import { connectSite, sent } from './site-client.js';
import { createSiteEnvironment, news } from './site-environment.js';

test('when a node is killed the website is notified of the users who were on that node only', async () => {
  const environment = await createSiteEnvironment();
  const { website } = environment;
  const told = (user: string): string[] => website.to(`/users/${user}`).map(({ body }) => body);
  // The keys of the sites are too short for production.
  const [survivor, doomed] = await Promise.all([
    environment.start(),
    startGatewayProcess({ ...environment.env, NODE_ENV: 'test' }),
  ]);
  website.rooms.set('t-lost', ['user_lost', 'staff']);
  website.rooms.set('t-kept', ['user_kept', 'staff']);
  await connectSite(doomed, 'news', { token: 't-lost', deviceId: 'd' });
  await connectSite(doomed, 'news', { token: 't-kept', deviceId: 'phone' });
  const laptop = await connectSite(survivor, 'news', { token: 't-kept', deviceId: 'laptop' });
  await until(() => told('lost').length === 1 && told('kept').length === 1);

  doomed.child.kill('SIGKILL');
  const killedAt = performance.now();
  await sent(survivor, news, { rooms: ['staff'], event: 'm', args: ['meanwhile'] });
  await laptop.has(1);
  await until(() => told('lost').length === 2);
  expect(performance.now() - killedAt).toBeLessThan(PRESENCE_LIMIT_MS);
  expect(told('lost')[1]).toContain('"last_disconnected"');
  expect(website.to('/users/lost')[1]?.headers.authorization).toBe('Bearer t-lost');
  expect(told('kept')).toHaveLength(1);

  const back = await connectSite(survivor, 'news', { token: 't-lost', deviceId: 'd' });
  await back.has(1);
  expect(back.heard).toEqual([['m', 'meanwhile']]);
  for (const client of [laptop, back]) client.close();
  await until(() => told('kept').length === 2 && told('lost').length === 4);
  await survivor.close();
  await environment.close();
});

test('the website is notified that the users of a node are gone while it stands still, and that they are back with it', async () => {
  const environment = await createSiteEnvironment();
  const { website } = environment;
  const told = (): [string, string][] =>
    website.to('/users/still').flatMap(({ body }) => Object.entries<string>(JSON.parse(body).user));
  const [survivor, still] = await Promise.all([
    environment.start(),
    startGatewayProcess({ ...environment.env, NODE_ENV: 'test' }),
  ]);
  website.rooms.set('t-still', ['user_still']);
  const client = await connectSite(still, 'news', { token: 't-still', deviceId: 'd' });
  await until(() => told().length === 1);
  still.child.kill('SIGSTOP');
  await until(() => told().length === 2);
  still.child.kill('SIGCONT');
  const [, [field = '', leftAt = ''] = []] = told();
  expect(field).toBe('last_disconnected');
  // The node may also repeat its first call, whose answer it has read too late.
  await until(() => told().some(([name, time]) => name === 'last_connected' && time > leftAt));
  const count = told().length;
  client.close();
  await until(() => told().length > count);
  still.child.kill('SIGTERM');
  await still.ended;
  await survivor.close();
  await environment.close();
});
