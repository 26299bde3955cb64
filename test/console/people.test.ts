import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { deliveryReasons } from '#shared/contracts/delivery-reasons.js';
import { type Tab, useBrowser } from '../support/browser.js';
import { connect, refusal, type TestClient } from '../support/client.js';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';
import { signToken } from '../support/gateway.js';
import { until } from '../support/until.js';
import { cellsOf, HOSTILE, inspect, refreshUntil, useBuiltConsole } from './pages.js';

const browser = useBrowser();
const builtConsole = useBuiltConsole();

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({
    nodes: 2,
    env: { NODE_ENV: 'development', EMIT_API_KEYS: '' },
    overrides: { consoleDirectory: builtConsole() },
    nodeOptions: (node) => ({ env: { NODE_NAME: node === 0 ? 'node-a' : `node-b ${HOSTILE}` } }),
  });
});
afterAll(() => environment?.close());

const open = (path: string): Promise<Tab> => browser.open(`${environment.node(0).url}/console/${path}`);

interface Device {
  readonly uid: string;
  readonly deviceId: string;
  readonly node?: number;
  readonly userAgent?: string;
}

/** Connects a device until the test ends. */
async function connectDevice({ uid, deviceId, node = 0, userAgent = 'test' }: Device): Promise<TestClient> {
  const client = await connect(environment.node(node), {
    auth: { token: signToken({ uid }), deviceId },
    extraHeaders: { 'user-agent': userAgent },
  });
  onTestFinished(() => client.close());
  return client;
}

/** Presses Tab until the element with this accessible name has the focus. @throws when it is never reached */
async function tabTo({ page }: Tab, name: string): Promise<void> {
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate(
      `document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent ?? ''`,
    );
    if (String(focused).startsWith(name)) return;
  }
  throw new Error(`${name} is not reached with Tab`);
}

describe('a user', () => {
  test('is shown with the devices of both nodes, gets an event by keyboard alone, and the message tells its way', async () => {
    const phone = await connectDevice({ uid: 'ada', deviceId: 'phone' });
    const laptop = await connectDevice({ uid: 'ada', deviceId: 'laptop', node: 1 });
    const received: unknown[] = [];
    phone.socket.on('notification', (payload: unknown, acknowledge?: () => void) => {
      received.push(payload);
      acknowledge?.();
    });

    const tab = await open('users/ada');
    await refreshUntil(tab, (text) => text.includes('online · 2 sockets'));
    expect((await cellsOf(tab, 'Sockets')).map(([, device]) => device).sort()).toEqual(['laptop', 'phone']);

    await tabTo(tab, 'Send an event');
    await tab.page.keyboard.press('Enter');
    await tab.page.waitForSelector('dialog[open]');
    expect(await tab.accessibilityFaults()).toEqual([]);
    // The dialog is a form: Enter in its first field sends it.
    await tab.page.focus('dialog[open] input');
    await tab.page.keyboard.press('Enter');
    await tab.sees('was sent');
    const [payload] = await laptop.next('notification');
    await until(() => received.length === 1);
    expect(payload).toMatchObject({ title: 'Hello' });
    expect(received[0]).toMatchObject({ title: 'Hello' });

    // The laptop does not acknowledge it, so its reason is another than that of the phone.
    await refreshUntil(tab, (text) => text.includes('ACKNOWLEDGED') && text.includes('NOT_ACKNOWLEDGED'));
    expect(await tab.text()).toContain(deliveryReasons.NOT_ACKNOWLEDGED.slice(1, 30));
    await inspect(tab, 'user');

    await tab.page.locator('::-p-text(See what becomes of it)').click();
    await tab.sees('Time line');
    const address = tab.page.url();
    const devices = await cellsOf(tab, 'Devices');
    expect(devices.map(([device, state]) => [device, state]).sort()).toEqual([
      ['laptop', 'sent'],
      ['phone', 'acked'],
    ]);
    await inspect(tab, 'message');
    await tab.page.reload();
    await tab.sees('Time line');
    expect(tab.page.url()).toBe(address);
    await tab.page.goBack();
    await tab.sees('Durable messages');
    expect(new URL(tab.page.url()).pathname).toBe('/console/users/ada');
    expect(tab.takeFaults()).toEqual([]);
  });

  test('is disconnected on every node', async () => {
    const clients = [
      await connectDevice({ uid: 'ben', deviceId: 'one' }),
      await connectDevice({ uid: 'ben', deviceId: 'two', node: 1 }),
    ];
    const tab = await open('users/ben');
    await refreshUntil(tab, (text) => text.includes('2 sockets'));
    await tabTo(tab, 'Disconnect');
    await tab.page.keyboard.press('Enter');
    await tab.page.waitForSelector('dialog[open]');
    await tab.page.focus('dialog[open] input');
    await tab.page.keyboard.press('Enter');
    await Promise.all(clients.map(({ closed }) => closed));
    await refreshUntil(tab, (text) => text.includes('offline'));
    expect(tab.takeFaults()).toEqual([]);
  });

  test('has devices whose queue is cleared, and that are forgotten when they are away', async () => {
    const device = await connectDevice({ uid: 'cleo', deviceId: 'tablet' });
    device.close();
    await device.closed;
    await environment.node(0).call('POST', '/emit/cleo/notification?durable=true', {});
    const tab = await open('users/cleo');
    const act = async (label: string, subject: string): Promise<void> => {
      await tab.page.locator(`::-p-aria([name="${label} ${subject}"][role="button"])`).click();
      await tab.page.locator(`dialog[open] ::-p-aria([name="${label}"][role="button"])`).click();
    };
    const waiting = async (): Promise<string | undefined> => (await cellsOf(tab, 'Devices'))[0]?.[3];
    await until(async () => (await waiting()) === '1');
    await refreshUntil(tab, (text) => text.includes('Forget'));
    await act('Clear queue', 'of tablet');
    await tab.sees('is cleared');
    await until(async () => (await waiting()) === '0');
    await act('Forget', 'tablet');
    await tab.sees('No device is known');
    const { json } = await environment.node(1).call('GET', '/users/cleo/devices');
    expect(json.data.devices).toEqual([]);
    expect(tab.takeFaults()).toEqual([]);
  });
});

describe('names that clients choose are shown as text', () => {
  const expectText = async (tab: Tab, name: string): Promise<void> => {
    await refreshUntil(tab, (text) => text.includes(HOSTILE));
    expect(await tab.page.evaluate('document.querySelectorAll("#root img, #root script").length'), name).toBe(0);
    expect(tab.takeFaults(), name).toEqual([]);
  };

  test('on the pages of nodes, of a user and of a message', async () => {
    await connectDevice({ uid: HOSTILE, deviceId: HOSTILE, userAgent: `agent ${HOSTILE}` });
    await expectText(await open(''), 'NODE_NAME');
    const user = await open(`users/${encodeURIComponent(HOSTILE)}`);
    await expectText(user, 'user');
    await user.sees(`agent ${HOSTILE}`);
    expect((await cellsOf(user, 'Devices')).map(([device]) => device)).toEqual([HOSTILE]);
    await inspect(user, 'hostile-user');

    const answer = await environment.node(0).call(
      'POST',
      `/emit/${encodeURIComponent(HOSTILE)}/${encodeURIComponent(HOSTILE)}?durable=true`,
      {},
      {
        'idempotency-key': HOSTILE,
        'x-request-id': HOSTILE,
      },
    );
    expect(answer.status, answer.text).toBe(200);
    await expectText(await open(`messages/${answer.json.data.id}`), 'message');
    await expectText(await open(`messages?key=${encodeURIComponent(HOSTILE)}`), 'idempotency key');
    await expectText(await open(`users?search=${encodeURIComponent(HOSTILE)}`), 'search');
  });

  test('in the live view', async () => {
    const tab = await open('live');
    await tab.page.waitForSelector('.dot.good[role=status]');
    const client = await connectDevice({ uid: HOSTILE, deviceId: HOSTILE, node: 1 });
    await client.ask(`event ${HOSTILE}`, {});
    const forged = signToken({ uid: `claimed ${HOSTILE}` }).replace(/[^.]+$/, 'forged');
    await refusal(environment.node(1), { auth: { token: forged } });
    await tab.sees(`event ${HOSTILE}`);
    await tab.sees('INVALID_TOKEN');
    await expectText(tab, 'live');
    const columns = await tab.page.$$eval('.record .where', (cells) =>
      cells.map((cell) => cell.getBoundingClientRect().x),
    );
    expect(new Set(columns).size, 'columns are below each other').toBe(1);
    await inspect(tab, 'live');
    expect(tab.takeFaults()).toEqual([]);
  });
});

test('a flood leaves the live view usable: rows are bounded, and what is not shown is counted', async () => {
  const client = await connectDevice({ uid: 'flo', deviceId: 'one' });
  const tab = await open('live?user=flo');
  await tab.page.waitForSelector('.dot.good[role=status]');
  for (let sent = 0; sent < 20_000; sent += 1) client.socket.emit('flood', { sent });
  const answered = client.ask('barrier', {});
  // The page answers while the flood is under way.
  expect(await tab.page.evaluate('1 + 1')).toBe(2);
  await answered;
  await tab.sees('not shown');
  expect(await tab.page.$$eval('.records > li', (rows) => rows.length)).toBeLessThanOrEqual(1000);
  expect(tab.takeFaults()).toEqual([]);
});

test('a newcomer sees a message arrive in the browser by one button', async () => {
  const tab = await open('try');
  await tab.page.locator('::-p-aria(Connect and send an event[role="button"])').click();
  await tab.sees('after it was sent');
  expect(await tab.page.$eval('.arrived', (part) => part.textContent)).toContain('New Lead');
  await inspect(tab, 'try');
  for (const path of ['try/events', 'try/routes']) {
    const other = await open(path);
    await other.sees('Routes');
    await inspect(other, path.replace('/', '-'));
    expect(other.takeFaults()).toEqual([]);
  }
  expect(tab.takeFaults()).toEqual([]);
});
