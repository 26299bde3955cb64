import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../support/client.js';
import { dataOf } from '../support/environment.js';
import { SECRET, startGateway } from '../support/gateway.js';
import { runScript } from '../support/script.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

/** The tokens that the script printed, by first name. */
const tokensOf = (stdout: string): Record<string, string> =>
  Object.fromEntries(
    [...stdout.matchAll(/^(\w+) \w+, user .*\n(.+)$/gm)].map(([, name = '', token = '']) => [name, token]),
  );

test('the demo account is stored once, with and without a running gateway', async () => {
  const directory = await temporaryDirectory();
  const settings = { DATA_DIR: join(directory, 'data'), JWT_SECRET: SECRET, MONGODB_URL: '' };
  const before = await runScript('scripts/seed.ts', [], settings);
  expect([before.code, before.stdout.split('\n')[0]]).toEqual([0, expect.stringMatching(/^Stored \d+ documents\.$/)]);

  const gateway = await startGateway({ DATA_DIR: settings.DATA_DIR });
  onTestFinished(() => gateway.close());
  const tokens = tokensOf(before.stdout);
  expect(Object.keys(tokens)).toEqual(['Ada', 'Ben', 'Cleo', 'Dan']);
  const ada = await connect(gateway, { namespace: '/v1/conversation', claims: null, auth: { token: tokens['Ada'] } });
  onTestFinished(() => ada.close());

  const { channels } = dataOf(await ada.ask('channel', {}));
  expect(channels).toMatchObject({
    you: { open: 5, unread: 1, closed: 1, priority: 1, snoozed: 1 },
    general: { open: 3 },
    mentions: { open: 1, unread: 1 },
    prospect: { open: 2 },
  });
  const { conversation } = dataOf(await ada.ask('list_conversation', { search: 'launch' }));
  expect(conversation).toMatchObject([
    { title: 'Launch', unread_count: 2, users: [{ name: 'Ada Adams' }, {}, {}, {}] },
  ]);
  const [launch] = conversation;
  await ada.ask('edit_conversation', { conversation_id: launch._id, title: 'Lift-off' });

  const again = await runScript('scripts/seed.ts', [], settings);
  expect([again.code, again.stdout.split('\n')[0]]).toEqual([0, 'The demo account already exists.']);
  const { conversation: after } = dataOf(await ada.ask('get_conversation_by_id', { conversation_id: launch._id }));
  expect(after.title).toBe('Lift-off');
  const { messageList, paging } = dataOf(await ada.ask('prospect_list_conversation', { message_limit: 5 }));
  expect(paging.total).toBe(2);
  expect(Object.values<{ type: string }[]>(messageList).map((messages) => messages.map(({ type }) => type))).toEqual([
    ['OUTGOING', 'INCOMING'],
    ['INCOMING', 'OUTGOING', 'INCOMING'],
  ]);
});

test('no tokens are created for another issuer', async () => {
  const settings = { DATA_DIR: await temporaryDirectory(), JWKS_URL: 'https://example.com/keys' };
  expect(await runScript('scripts/seed.ts', [], settings)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('JWKS_URL is set'),
  });
});
