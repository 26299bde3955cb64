import { expect, onTestFinished, test } from 'vitest';
import { connectSite, openSite } from '../../integrations/push-sites/site-client.js';
import type { Tab } from '../../support/browser.js';
import { refusal } from '../../support/client.js';
import { signToken } from '../../support/gateway.js';
import { cellsOf, glanceAt, HOSTILE, inspect, refreshUntil } from '../pages.js';
import { type Setting, SITE_KEY } from '../setting.js';

const encoded = encodeURIComponent(HOSTILE);

/**
 * What of the page a hostile name could have become: elements and attributes that run or load something, addresses that leave the
 * console, styles with a text in them.
 */
const UNSAFE = `[...document.querySelectorAll('#root *')].flatMap((element) => {
  const found = [];
  if (/^(?:img|script|iframe|object|embed|link|style|base|meta)$/i.test(element.localName)) found.push(element.localName);
  for (const { name, value } of element.attributes) {
    if (/^on|^srcdoc$/i.test(name)) found.push(name + '=' + value);
    if (/^(?:href|src|action|formaction|xlink:href)$/i.test(name)) {
      const url = new URL(value, location.href);
      if (url.origin !== location.origin || !url.pathname.startsWith('/console/')) found.push(name + '=' + value);
    }
    if (name === 'style' && !/^(?:(?:left|width): [\\d.e-]+%;|color: var\\(--series-\\d\\);|\\s|(?:position|top|bottom|height|width|left|right|pointer-events|overflow|transform|margin|display)[^;<]*;)*$/.test(value))
      found.push('style=' + value);
  }
  return found;
})`;

/** Expects that a page shows the hostile name as text, and that it has become nothing else. */
async function expectText(tab: Tab, name: string, shown = HOSTILE): Promise<void> {
  await refreshUntil(tab, (text) => text.includes(shown));
  await expectSafe(tab, name);
}

/** Expects that a page holds nothing that a name could have become. */
async function expectSafe(tab: Tab, name: string): Promise<void> {
  expect(await tab.page.evaluate(UNSAFE), name).toEqual([]);
  // A refused call is told on the console of the browser too.
  expect(
    tab.takeFaults().filter((fault) => !/^console: Failed to load resource/.test(fault)),
    name,
  ).toEqual([]);
}

/** A script in any name is shown as text. */
export function testNames({ environment, website, open, connectDevice }: Setting): void {
  /** Another page in the same tab: a tab for each would take longer. */
  const go = async (tab: Tab, path: string): Promise<void> => {
    await tab.page.goto(`${environment().node(0).url}/console/${path}`);
  };

  test('of a user, a device, a user agent and a node', async () => {
    await connectDevice({ uid: HOSTILE, deviceId: HOSTILE, userAgent: `agent ${HOSTILE}` });
    await environment().models.User.collection.insertOne({ name: HOSTILE, account: HOSTILE } as never);
    const tab = await open('');
    await expectText(tab, 'NODE_NAME');
    await go(tab, `users/${encoded}`);
    await expectText(tab, 'user');
    await tab.sees(`agent ${HOSTILE}`);
    expect((await cellsOf(tab, 'Devices of the user')).map(([device]) => device)).toEqual([HOSTILE]);
    await glanceAt(tab, 'hostile-user');
    await go(tab, `users?search=${encoded}`);
    await expectText(tab, 'search by id and by name');
    expect(await cellsOf(tab, 'Users found')).toHaveLength(2);
    // The dialogs name the user.
    await go(tab, `users/${encoded}`);
    await tab.page.locator('.buttons button.danger').click();
    await tab.page.waitForSelector('dialog[open] form');
    await expectText(tab, 'dialog');
  });

  test('with a direction of its own leaves the words around it as they are', async () => {
    const tab = await open(`users?search=${encodeURIComponent('abc\u202edef')}`);
    await tab.sees('no name begins with it');
    const places = await tab.page.evaluate(`(() => {
      const texts = document.createTreeWalker(document.querySelector('#content'), NodeFilter.SHOW_TEXT);
      let text = texts.nextNode();
      while (!text.data.includes('no name begins')) text = texts.nextNode();
      return ['no', 'begins', 'it'].map((word) => {
        const range = document.createRange();
        range.setStart(text, text.data.indexOf(word + (word === 'it' ? '' : ' ')));
        range.setEnd(text, range.startOffset + 1);
        return range.getBoundingClientRect().left;
      });
    })()`);
    expect(places).toEqual([...(places as number[])].sort((one, other) => one - other));
  });

  test('of 128 letters without a place to break fits a phone', async () => {
    const long = 'W'.repeat(128);
    await connectDevice({ uid: long, deviceId: long, userAgent: long });
    await environment().node(0).call('POST', `/emit/${long}/${long}?durable=true`, {});
    const tab = await open(`users/${long}`);
    await refreshUntil(tab, (text) => text.includes('1 socket'));
    await glanceAt(tab, 'long-user');
    await go(tab, `users?search=${'w'.repeat(128)}`);
    await tab.sees('no name begins with it');
    await glanceAt(tab, 'long-search');
  });

  test('of an event, an idempotency key and a request', async () => {
    const headers = { 'idempotency-key': HOSTILE, 'x-request-id': HOSTILE };
    const path = `/emit/${encoded}/${encoded}?durable=true`;
    const { status, json, text } = await environment().node(0).call('POST', path, {}, headers);
    expect(status, text).toBe(200);
    const tab = await open(`messages/${json.data.id}`);
    await expectText(tab, 'message');
    await go(tab, `messages?key=${encoded}`);
    await expectText(tab, 'message by its key');
    expect(await tab.page.$eval('input[type=search]', (field) => field.value)).toBe(HOSTILE);
    await go(tab, `messages?key=unknown${encoded}`);
    await tab.sees('NOT_FOUND');
    await expectSafe(tab, 'unknown key');
  });

  test('in an address: a page, a filter, a view of the playground', async () => {
    const tab = await open(`${encoded}`);
    await expectText(tab, 'unknown page', encodeURI(HOSTILE).slice(0, 4));
    for (const path of [
      `users?search=${'x'.repeat(200)}${encoded}`,
      `messages/${encoded}`,
      `live?user=${encoded}&event=${encoded}&namespace=${encoded}&code=${encoded}&node=${encoded}&kinds=${encoded}`,
      `try/events?namespace=${encoded}&user=${encoded}`,
      `try/routes?route=${encoded}`,
      `users/${encodeURIComponent('javascript:alert(1)')}?event=${encoded}`,
      `users/${encodeURIComponent('//evil.example/')}`,
      `users/${encodeURIComponent('\\\\evil.example\\..\\')}`,
    ]) {
      await go(tab, path);
      await tab.page.waitForSelector('#content h1');
      await tab.page.waitForFunction(`!document.querySelector('.loading')`);
      await expectSafe(tab, path);
    }
  });

  test('of users, rooms and devices of a push site', async () => {
    website().rooms.set('token-of-ada', ['user_ada', HOSTILE]);
    const ada = await connectSite(environment().node(0), 'news', { token: 'token-of-ada' });
    website().rooms.set('token-of-mallory', [`user_${HOSTILE}`]);
    const mallory = await connectSite(environment().node(0), 'news', { token: 'token-of-mallory', deviceId: HOSTILE });
    onTestFinished(() => {
      ada.close();
      mallory.close();
    });
    const refused = openSite(environment().node(0), 'news', { token: 'unknown' });
    await new Promise((resolve) => refused.once('connect_error', resolve));
    refused.close();

    const tab = await open('sites');
    await tab.sees('news');
    const [row] = await cellsOf(tab, 'Push sites');
    expect(row?.slice(0, 4)).toEqual(['news', '2', '0', '401']);
    expect(row?.slice(5, 7)).toEqual(['2', '1']);
    await refreshUntil(tab, (text) => text.includes('ada') && text.includes(HOSTILE));
    await expectText(tab, 'sites');
    await inspect(tab, 'sites');
  });

  test('in the live view: events, refusals and their reasons, namespaces, rooms', async () => {
    const tab = await open('live');
    await tab.page.waitForSelector('.dot.good[role=status]');
    const client = await connectDevice({ uid: HOSTILE, deviceId: HOSTILE, node: 1 });
    await client.ask(`event ${HOSTILE}`, {});
    const forged = signToken({ uid: `claimed ${HOSTILE}` }).replace(/[^.]+$/, 'forged');
    await refusal(environment().node(1), { auth: { token: forged } });
    await refusal(environment().node(1), { namespace: `/${HOSTILE}`, auth: { token: signToken({ uid: 'ned' }) } });
    const rooms = { rooms: [HOSTILE], event: `room ${HOSTILE}`, args: [HOSTILE] };
    const sent = await environment()
      .node(0)
      .call('POST', `/send?site=news&apiKey=${encodeURIComponent(SITE_KEY)}`, rooms);
    expect(sent.status, sent.text).toBe(200);
    for (const text of [`event ${HOSTILE}`, 'INVALID_TOKEN', `room ${HOSTILE}`, `/${HOSTILE}`]) await tab.sees(text);
    const columns = await tab.page.$$eval('.record .where', (cells) =>
      cells.map((cell) => cell.getBoundingClientRect().x),
    );
    expect(new Set(columns).size, 'columns are below each other').toBe(1);
    await expectText(tab, 'live');
    await inspect(tab, 'live');
    // All that a record holds.
    await tab.page.$$eval('button.when', (buttons) => {
      for (const button of buttons) button.click();
    });
    await expectText(tab, 'live, with all of each record');
    expect(await tab.accessibilityFaults()).toEqual([]);
  });

  test('in the playground: what is sent, answered and refused, and the code to copy', async () => {
    const tab = await open('try');
    const fill = async (label: string, text: string): Promise<void> => {
      const field = await tab.page.waitForSelector(`::-p-aria(${label}[role="textbox"])`);
      await field?.click({ count: 3 });
      await tab.page.keyboard.type(text);
    };
    await fill('User', HOSTILE);
    await fill('Event', HOSTILE);
    await fill('Payload', JSON.stringify({ [HOSTILE]: HOSTILE }));
    await tab.page.locator('::-p-aria(Connect and send an event[role="button"])').click();
    await tab.sees('after it was sent');
    await expectText(tab, 'quick start');
    await tab.page.locator('::-p-text(Events)').click();
    await tab.page.waitForSelector('.entry');
    await tab.page.locator('input[list]').click({ count: 3 });
    await tab.page.keyboard.type(`ask ${HOSTILE}`);
    await tab.page.locator('::-p-aria(Emit[role="button"])').click();
    await tab.page.waitForSelector('.entry.out');
    await tab.page.$$eval('.entry details', (all) => {
      for (const details of all) details.open = true;
    });
    await expectText(tab, 'events');
    await go(tab, 'try/routes');
    await fill('userId', HOSTILE);
    await fill('event', `_${HOSTILE}`);
    await tab.page.locator('::-p-aria(Send POST[role="button"])').click();
    await tab.sees('VALIDATION_ERROR');
    await expectText(tab, 'routes', 'onerror');
  });
}
