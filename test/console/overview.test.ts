import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { HISTORY_STEP_S } from '#shared/contracts/cluster.js';
import { systemClock } from '../../src/platform/clock.js';
import { connectSite, openSite } from '../integrations/push-sites/site-client.js';
import { openWebsite, type Website } from '../integrations/push-sites/website.js';
import { useBrowser } from '../support/browser.js';
import { connect } from '../support/client.js';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { until } from '../support/until.js';
import {
  ACT_KEY,
  CONSOLE_KEYS,
  cellsOf,
  HOSTILE,
  inspect,
  logIn,
  refresh,
  refreshUntil,
  useBuiltConsole,
} from './pages.js';

const browser = useBrowser();
const builtConsole = useBuiltConsole();

let environment: TestEnvironment;
let website: Website;
let directory: string;
let other: GatewayProcess;

beforeAll(async () => {
  website = await openWebsite();
  directory = await mkdtemp(join(tmpdir(), 'general-socket-'));
  const SITES_FILE = join(directory, 'sites.yml');
  await writeFile(
    SITES_FILE,
    `news:\n  authUrl: ${website.url}/rooms\n  apiKey: the key of the site news\n  userRoomPrefix: user_\n  updateUserUrl: ${website.url}/users/:id\n`,
  );
  environment = await createTestEnvironment({
    ...{ nodes: 1, hasRedis: true, env: { SITES_FILE, CONSOLE_KEYS, NODE_NAME: 'node-a' } },
    overrides: { consoleDirectory: builtConsole() },
  });
  other = await startGatewayProcess({ ...environment.env, NODE_NAME: 'node-b' });
  environment.defer(() => other.close());
});
afterAll(async () => {
  await environment?.close();
  await website?.close();
  await rm(directory, { recursive: true, force: true });
});

const openConsole = async (path: string) => {
  const tab = await browser.open(`${environment.node(0).url}/console/${path}`);
  await logIn(tab, ACT_KEY);
  return tab;
};

/** Connects users until the test ends. */
async function connectUsers(gateway: { readonly url: string }, ...users: string[]): Promise<void> {
  const clients = await Promise.all(users.map((uid) => connect(gateway, { claims: { uid } })));
  onTestFinished(() => {
    for (const client of clients) client.close();
  });
}

test('the push sites are shown with the answers of their websites', async () => {
  website.rooms.set('token-of-ada', ['user_ada']);
  const ada = await connectSite(environment.node(0), 'news', { token: 'token-of-ada' });
  onTestFinished(() => ada.close());
  website.rooms.set('token-of-mallory', [`user_${HOSTILE}`]);
  const mallory = await connectSite(environment.node(0), 'news', { token: 'token-of-mallory', deviceId: HOSTILE });
  onTestFinished(() => mallory.close());
  const refused = openSite(environment.node(0), 'news', { token: 'unknown' });
  await new Promise((resolve) => refused.once('connect_error', resolve));
  refused.close();

  const tab = await openConsole('sites');
  await tab.sees('/news');
  const [row] = await cellsOf(tab, 'Push sites');
  expect(row?.slice(0, 5)).toEqual(['news', '/news', '2', '0', '401']);
  expect(row?.slice(6, 8)).toEqual(['2', '1']);
  await refreshUntil(tab, (text) => text.includes('ada') && text.includes(HOSTILE));
  await inspect(tab, 'sites');
  expect(tab.takeFaults()).toEqual([]);
});

test('the nodes are shown, and a node that dies is greyed while the figures of the other go on', async () => {
  await connectUsers(environment.node(0), 'ada', 'ben', 'cy');
  await connectUsers(other, 'dan', 'eve');
  const tab = await openConsole('');
  await tab.sees('node-b');
  const rowOf = async (name: string) => (await cellsOf(tab, 'Nodes')).find(([cell]) => cell?.startsWith(name));
  const connectionsOf = async (name: string) => (await rowOf(name))?.[4];
  await until(async () => {
    await refresh(tab);
    return (await connectionsOf('node-a')) === '3' && (await connectionsOf('node-b')) === '2';
  });
  await tab.sees('2 of 2');
  await inspect(tab, 'overview');

  other.child.kill('SIGKILL');
  await other.ended;
  await connectUsers(environment.node(0), 'fay');
  await refreshUntil(tab, (text) => /no answer|has left/.test(text));
  await until(async () => {
    await refresh(tab);
    return (await connectionsOf('node-a')) === '4';
  });
  // What it said last stays.
  expect((await rowOf('node-b'))?.[4]).toBe('2');
  expect((await rowOf('node-b'))?.[1]).toMatch(/^(?:no answer|has left)\s+since \d/);
  expect(await tab.page.$$eval('tr.stale', (rows) => rows.length)).toBe(1);
  await inspect(tab, 'overview-node-died');
  expect(tab.takeFaults()).toEqual([]);
});

test('a page that gets no answer keeps the last one, says so, and recovers', async () => {
  const tab = await openConsole('');
  await tab.sees('Nodes ready');
  await tab.page.setOfflineMode(true);
  await refresh(tab);
  await tab.sees('No answer since');
  expect(await tab.text()).toContain('node-a');
  expect(await tab.page.$$eval('.shown.stale', (parts) => parts.length)).toBe(1);
  await inspect(tab, 'overview-stale');
  await tab.page.setOfflineMode(false);
  await tab.page.locator('::-p-aria(Try again[role="button"])').click();
  await until(async () => !(await tab.text()).includes('No answer since'));
  expect(tab.takeFaults().filter((fault) => !fault.includes('ERR_INTERNET_DISCONNECTED'))).toEqual([]);
});

test('the charts show what clients did in the last steps', async () => {
  // The samples of 10 seconds are taken whenever the test says.
  let offsetMs = 0;
  const sampled: (() => void)[] = [];
  const clock = {
    ...systemClock,
    now: () => systemClock.now() + offsetMs,
    every: (intervalMs: number, task: () => void) => {
      if (intervalMs === HISTORY_STEP_S * 1000) sampled.push(task);
      return systemClock.every(intervalMs, task);
    },
  };
  const own = await createTestEnvironment({
    nodes: 1,
    env: { NODE_ENV: 'development', EMIT_API_KEYS: '' },
    overrides: { clock, consoleDirectory: builtConsole() },
  });
  onTestFinished(() => own.close());
  const client = await connect(own.node(0), { claims: { uid: 'ada' } });
  onTestFinished(() => client.close());
  for (let step = 0; step < 30; step += 1) {
    for (let count = 0; count < step % 7; count += 1) await client.ask('no_such_event', {});
    offsetMs += HISTORY_STEP_S * 1000;
    for (const sample of sampled) sample();
    await own.node(0).call('GET', '/status');
  }
  const tab = await browser.open(`${own.node(0).url}/console/`);
  await tab.page.waitForSelector('canvas');
  await tab.sees('/v1/shared');
  await tab.page.locator('figure[aria-label="Connections"] button').click();
  const [latest] = await cellsOf(tab, 'Connections');
  expect(latest?.slice(1)).toEqual(['1']);
  await tab.page.locator('figure[aria-label="Connections"] button').click();
  await tab.page.waitForSelector('figure[aria-label="Connections"] canvas');
  await tab.sees('NOT_FOUND');
  await inspect(tab, 'charts');
  expect(tab.takeFaults()).toEqual([]);
});
