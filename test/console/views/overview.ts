import { expect, onTestFinished, test } from 'vitest';
import { HISTORY_STEP_S } from '#shared/contracts/cluster.js';
import { systemClock } from '../../../src/platform/time/clock.js';
import { connect } from '../../support/client.js';
import { startGatewayProcess } from '../../support/gateway-process.js';
import { until } from '../../support/until.js';
import { cellsOf, glanceAt, HOSTILE, inspect, refresh, refreshUntil } from '../pages.js';
import { NODE_A, type Setting } from '../setting.js';

/** Connects users until the test ends. */
async function connectUsers(gateway: { readonly url: string }, ...users: string[]): Promise<void> {
  const clients = await Promise.all(users.map((uid) => connect(gateway, { claims: { uid } })));
  onTestFinished(() => {
    for (const client of clients) client.close();
  });
}

/** The view of the nodes, and its states. */
export function testOverview({ browser, environment, open }: Setting): void {
  test('the nodes are shown, and a node that dies is greyed while the figures of the other go on', async () => {
    const other = await startGatewayProcess({ ...environment().env, NODE_NAME: 'node-c' });
    onTestFinished(() => other.close());
    await connectUsers(environment().node(0), 'ada', 'ben', 'cy');
    await connectUsers(other, 'dan', 'eve');
    const tab = await open('');
    await tab.sees('node-c');
    const rowOf = async (name: string) => (await cellsOf(tab, 'Nodes')).find(([cell]) => cell?.startsWith(name));
    const connectionsOf = async (name: string) => (await rowOf(name))?.[4];
    await until(async () => {
      await refresh(tab);
      return (await connectionsOf(NODE_A)) === '3' && (await connectionsOf('node-c')) === '2';
    });
    await tab.sees('3 of 3');
    await inspect(tab, 'overview');

    other.child.kill('SIGKILL');
    await other.ended;
    await connectUsers(environment().node(0), 'fay');
    await refreshUntil(tab, (text) => /no answer|has left/.test(text));
    await until(async () => {
      await refresh(tab);
      return (await connectionsOf(NODE_A)) === '4';
    });
    // What it said last stays.
    expect((await rowOf('node-c'))?.[4]).toBe('2');
    expect((await rowOf('node-c'))?.[1]).toMatch(/^(?:no answer|has left)\s+since \d/);
    expect(await tab.page.$$eval('tr.stale', (rows) => rows.length)).toBe(1);
    await glanceAt(tab, 'overview-node-died');
    expect(tab.takeFaults()).toEqual([]);
  });

  test('a node has a page with its clients, page by page', async () => {
    const own = await environment().startNode({ REDIS_URL: '' });
    onTestFinished(() => own.close());
    const users = ['1', 'b/c', HOSTILE, ...Array.from({ length: 50 }, (_, index) => `user-${index}`)];
    await connectUsers(own, ...users);
    const tab = await browser.open(`${own.url}/console/`);
    const link = await tab.page.waitForSelector('tbody th a');
    await link?.press('Enter');
    const shown = async (): Promise<string[]> => (await cellsOf(tab, 'Sockets of the node')).map(([user = '']) => user);
    await until(async () => (await shown()).length === 50);
    expect(await tab.page.$eval('nav [aria-current]', (current) => current.textContent)).toBe('Overview');
    const first = await shown();
    await inspect(tab, 'node');
    await tab.page.locator('::-p-aria(Next[role="button"])').click();
    await until(async () => (await shown()).length === users.length - 50);
    expect([...first, ...(await shown())].sort()).toEqual([...users].sort());
    await tab.page.locator('::-p-aria(Previous[role="button"])').click();
    await until(async () => (await shown()).length === 50);
    const [user = ''] = await shown();
    await tab.page.locator('section[aria-label="Sockets of the node"] tbody th a').click();
    await tab.sees('Durable messages');
    expect(await tab.text()).toContain(user);
    expect(tab.takeFaults()).toEqual([]);
  });

  test('the page of a node without clients says what the node does, and drains it', async () => {
    const idle = await startGatewayProcess({ ...environment().env, NODE_NAME: 'node-idle' });
    onTestFinished(() => idle.close());
    const { nodes } = (await environment().node(0).call('GET', '/cluster')).json.data;
    const { id } = nodes.find(({ name }: { name: string }) => name === 'node-idle');
    const tab = await open(`nodes/${encodeURIComponent(id)}`);
    await tab.sees('No client is connected to this node');
    const [row = []] = await cellsOf(tab, 'Nodes');
    expect(row.slice(0, 3)).toEqual(['node-idle', 'ready', expect.stringMatching(/^\d/)]);
    expect(row.slice(-3)).toEqual(['up', 'up', 'Drain']);
    await inspect(tab, 'node-idle');

    await connectUsers(idle, 'ada', 'ben');
    await refreshUntil(tab, (text) => /Connections to \/v1\/shared\s+2/.test(text));
    await tab.page.locator('::-p-aria(Drain node node-idle[role="button"])').click();
    await tab.page.locator('dialog ::-p-aria(Drain[role="button"])').click();
    await refreshUntil(tab, (text) => text.includes('draining'));
    expect(tab.takeFaults()).toEqual([]);
  });

  test.each([640, 800, 900, 1024, 1280])('every view is in sight in a window of %d pixels', async (width) => {
    const tab = await open('');
    await tab.sees('Nodes ready');
    await tab.page.setViewport({ width, height: 600 });
    const hidden = await tab.page.$eval('.bar nav', (nav) => nav.scrollWidth - nav.clientWidth);
    expect(hidden).toBeLessThanOrEqual(0);
  });

  test('a node that has left has a page that says so', async () => {
    const tab = await open('nodes/gone');
    await tab.sees('No node has this id now');
    await glanceAt(tab, 'node-gone');
  });

  test('a page that gets no answer keeps the last one, says so, and recovers', async () => {
    const tab = await open('');
    await tab.sees('Nodes ready');
    await tab.page.setOfflineMode(true);
    await refresh(tab);
    await tab.sees('No answer since');
    expect(await tab.text()).toContain(NODE_A);
    expect(await tab.page.$$eval('.shown.stale', (parts) => parts.length)).toBe(1);
    await glanceAt(tab, 'overview-stale');
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
    const own = await environment().startNode({ REDIS_URL: '' }, { clock });
    onTestFinished(() => own.close());
    const client = await connect(own, { claims: { uid: 'ada' } });
    onTestFinished(() => client.close());
    for (let step = 0; step < 30; step += 1) {
      for (let count = 0; count < step % 7; count += 1) await client.ask('no_such_event', {});
      offsetMs += HISTORY_STEP_S * 1000;
      for (const sample of sampled) sample();
      await own.call('GET', '/status');
    }
    const tab = await browser.open(`${own.url}/console/`);
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
}
