import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createSiteAuth } from '../../src/auth/site.js';
import type { Site } from '../../src/config/sites.js';
import type { SiteAnswer, SitesClient } from '../../src/platform/sites-client.js';
import { createTestClock } from '../support/clock.js';

const site: Site = {
  name: 'shop',
  authUrl: 'https://shop.example/rooms',
  authScheme: 'Bearer',
  apiKeys: [],
  userRoomPrefix: 'user_',
  updateUserUrl: undefined,
  publicChannel: undefined,
};

test('an address that sends many tokens does not keep others waiting for the website', async () => {
  const asked: string[] = [];
  const answers: ((answer: SiteAnswer) => void)[] = [];
  const client: SitesClient = {
    call: ({ headers }) =>
      new Promise((resolve) => {
        asked.push(headers['authorization'] ?? '');
        answers.push(resolve);
      }),
    close: () => undefined,
  };
  const auth = createSiteAuth({ client, clock: createTestClock() });
  const connect = (token: string, address: string) =>
    auth.atHandshake(site, { auth: { token }, query: {}, headers: {} }, address).catch(() => undefined);
  const all = Array.from({ length: 20_000 }, (_, n) => connect(`flood-${n}`, '192.0.2.1'));
  await setImmediate();
  all.push(connect('mine', '192.0.2.2'));
  const running = asked.length;
  for (let count = 0; count < 2; count += 1) {
    answers.shift()?.({ status: 401, body: '' });
    await setImmediate();
  }
  expect(asked.slice(running)).toContain('Bearer mine');
  while (answers.length > 0) {
    for (const answer of answers.splice(0)) answer({ status: 401, body: '' });
    await setImmediate();
  }
  await Promise.all(all);
});
