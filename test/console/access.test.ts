import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/platform/time/clock.js';
import { type Tab, useBrowser } from '../support/browser.js';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';
import { API_KEY, type TestGateway } from '../support/gateway.js';
import { ACT_KEY, CONSOLE_KEYS, logIn, READ_KEY, useBuiltConsole } from './pages.js';

const browser = useBrowser();
const builtConsole = useBuiltConsole();

const SESSION_MS = 8 * 3_600_000;
let offsetMs = 0;
const clock = { ...systemClock, now: () => systemClock.now() + offsetMs };

let environment: TestEnvironment;
let production: TestGateway;
let development: TestGateway;

beforeAll(async () => {
  environment = await createTestEnvironment({
    nodes: 0,
    overrides: { consoleDirectory: builtConsole(), clock },
  });
  production = await environment.startNode({ NODE_ENV: 'production', CONSOLE: 'on', CONSOLE_KEYS });
  development = await environment.startNode({ NODE_ENV: 'development', EMIT_API_KEYS: '' });
});
afterAll(() => environment?.close());

test('the first run in development: the printed address leads to the console, which is open', async () => {
  const tab = await browser.open(development.url);
  await tab.sees('Overview');
  expect(new URL(tab.page.url()).pathname).toBe('/console/');
  await tab.sees('Development, open');
  expect(await tab.text()).not.toContain('Log out');
  expect(await tab.accessibilityFaults()).toEqual([]);
  expect(tab.takeFaults()).toEqual([]);
});

test('a view that loads nothing shows that the gateway does not answer', async () => {
  const tab = await browser.open(`${development.url}/console/unknown`);
  await tab.sees('No such page');
  await tab.page.setOfflineMode(true);
  await tab.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
  await tab.sees('No answer since');
});

describe('in production', () => {
  test.each([
    ['read-only', READ_KEY, 'duty', 'read-only'],
    ['acting', ACT_KEY, 'operators', 'may act'],
    ['backend', API_KEY, 'sha256:', 'may act'],
  ])('a key opens a session (%s), which a reload keeps and logging out ends', async (_kind, key, name, access) => {
    const tab = await browser.open(`${production.url}/console/`);
    await logIn(tab, key);
    await tab.sees(name);
    await tab.sees(access);
    await tab.page.waitForFunction(`document.activeElement?.id === 'content'`);
    await tab.page.reload();
    await tab.sees(access);
    const drain = await tab.page.waitForSelector('td button.danger');
    expect(await drain?.evaluate((button) => (button as { disabled?: boolean }).disabled)).toBe(access === 'read-only');
    expect(await tab.page.evaluate('document.cookie + JSON.stringify(localStorage) + location.href')).not.toContain(
      key,
    );
    expect(await tab.page.evaluate('document.cookie')).toBe('');
    const [cookie] = await tab.page.browserContext().cookies();
    expect(cookie).toMatchObject({ path: '/console', httpOnly: true, sameSite: 'Strict' });

    await tab.page.locator('::-p-aria(Log out[role="button"])').click();
    await tab.sees('A key of CONSOLE_KEYS');
    expect(await tab.page.browserContext().cookies()).toEqual([]);
    expect(tab.takeFaults()).toEqual([]);
  });

  test('a tab notices that another one has logged out, and in', async () => {
    const context = await browser.createContext();
    const open = () => browser.open(`${production.url}/console/try/events`, { context });
    const returnTo = async (tab: Tab): Promise<void> => {
      await tab.page.bringToFront();
      await tab.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
    };
    const one = await open();
    await logIn(one, READ_KEY);
    await one.sees('duty');
    const other = await open();
    await other.sees('duty');
    await other.page.locator('::-p-aria(Log out[role="button"])').click();
    await other.sees('A key of CONSOLE_KEYS');
    expect(await other.text()).not.toContain('has ended');
    await returnTo(one);
    await one.sees('Your session has ended');
    await returnTo(other);
    await logIn(other, ACT_KEY);
    await other.sees('operators');
    await returnTo(one);
    await one.sees('operators');
    expect([...one.takeFaults(), ...other.takeFaults()]).toEqual([]);
  });

  test('a wrong key is refused, and the page says what to do', async () => {
    const tab = await browser.open(`${production.url}/console/`);
    await logIn(tab, 'an unknown key');
    await tab.page.waitForSelector('[aria-invalid="true"]');
    await tab.sees('The key is not valid. Enter a key of CONSOLE_KEYS or an API key.');
    expect(await tab.accessibilityFaults()).toEqual([]);
    expect(await tab.page.browserContext().cookies()).toEqual([]);
  });

  test('a session that has ended leads to the log-in, and back to the same view', async () => {
    const address = `${production.url}/console/?x=1`;
    const tab = await browser.open(address);
    await logIn(tab, ACT_KEY);
    await tab.sees('operators');
    offsetMs += SESSION_MS;
    // The view asks anew when it becomes visible.
    await tab.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
    await tab.sees('A key of CONSOLE_KEYS');
    await logIn(tab, ACT_KEY);
    await tab.sees('operators');
    expect(tab.page.url()).toBe(address);
  });

  test('a session that ends while a stream is open leads to the log-in, and back to the stream', async () => {
    const tab = await browser.open(`${production.url}/console/live?kinds=limit`);
    await logIn(tab, READ_KEY);
    await tab.sees('Nothing has happened');
    offsetMs += SESSION_MS;
    // Within a second the gateway ends the stream, and the page tries again.
    await tab.sees('A key of CONSOLE_KEYS');
    await logIn(tab, READ_KEY);
    await tab.sees('Nothing has happened');
    expect(await tab.page.$eval('.live-status [role=status]', (part) => part.textContent)).toBe('live');
  });

  test('without CONSOLE there is no page', async () => {
    const closed = await environment.startNode({ NODE_ENV: 'production', CONSOLE_KEYS });
    for (const path of ['/', '/console', '/console/']) {
      const answer = await closed.call('GET', path);
      expect([path, answer.status, answer.json.message]).toEqual([path, 404, 'NOT_FOUND']);
    }
  });
});
