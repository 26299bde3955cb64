import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSite } from '#shared/backend/index.js';
import { eventsOf } from '#shared/client/index.js';
import { createSiteEnvironment, news, type SiteEnvironment } from '../../integrations/push-sites/site-environment.js';
import type { TestGateway } from '../../support/gateway.js';
import { until } from '../../support/until.js';
import { createStorage, openSiteClient } from './environment.js';

let environment: SiteEnvironment;
let gateway: TestGateway;
beforeAll(async () => {
  environment = await createSiteEnvironment();
  gateway = await environment.start();
});
afterAll(async () => {
  await gateway.close();
  await environment.close();
});

test('a device of a push site gets each message once, live and after it was away', async () => {
  environment.website.rooms.set('t-client', ['user_client']);
  const site = createSite({ url: gateway.url, site: news.name, apiKey: news.key });
  const storage = createStorage();
  const seen: unknown[] = [];
  const open = () => {
    const watched = openSiteClient({
      url: gateway.url,
      site: news.name,
      token: async () => 't-client',
      deviceId: 'phone',
      storage,
      events: eventsOf<{ update: [string, { id: number }] }>(),
    });
    watched.client.on('update', (kind, { id }) => seen.push([kind, id]));
    return watched;
  };

  const first = open();
  await first.is('online');
  await site.send('user_client', 'update', { args: ['user', { id: 1 }] });
  await until(() => seen.length === 1);
  await until(() => first.client.status.messages.handled === 1);
  first.client.close();

  await site.send('user_client', 'update', { args: ['user', { id: 2 }] });
  const second = open();
  await until(() => seen.length >= 2);
  // What was repeated would have come in the batch, before a new message.
  await site.send('user_client', 'update', { args: ['user', { id: 3 }] });
  await until(() => seen.length >= 3);
  expect(seen).toEqual([
    ['user', 1],
    ['user', 2],
    ['user', 3],
  ]);
  second.client.close();
});
