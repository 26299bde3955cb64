import { expect, test } from 'vitest';
import { until } from '../../support/until.js';
import { NODE_B, type Setting } from '../setting.js';

/** The live view. */
export function testLive({ environment, open, connectDevice }: Setting): void {
  test('shows what happens on the other node, for the user of the filter, and holds it while it is paused', async () => {
    const tab = await open('live?user=lea&kinds=event%2Cconnect');
    await tab.page.waitForSelector('.dot.good[role=status]');
    // The other node watches since its answer.
    await environment().node(0).call('GET', '/nodes');
    const [lea, other] = [
      await connectDevice({ uid: 'lea', deviceId: 'phone', node: 1 }),
      await connectDevice({ uid: 'someone-else', deviceId: 'phone', node: 1 }),
    ];
    await other.ask('not_for_lea', {});
    await lea.ask('join', {});
    await tab.sees('join');
    const { json } = await environment().node(0).call('GET', '/users/lea/connections');
    const node = json.data.connections[0].node;
    await tab.sees(NODE_B);
    const nodes = await tab.page.$$eval('.record .node', (cells) =>
      cells.map((cell) => [cell.textContent, cell.getAttribute('title')]),
    );
    expect(nodes).toEqual(Array(2).fill([NODE_B, `${NODE_B}\n${node}`]));
    expect(await tab.text()).not.toContain('not_for_lea');

    await tab.page.locator('::-p-aria(Pause[role="button"])').click();
    await lea.ask('while_paused', {});
    await tab.sees('1 held');
    expect(await tab.text()).not.toContain('while_paused');
    await tab.page.locator('::-p-aria(Resume[role="button"])').click();
    await tab.sees('while_paused');
    expect(tab.takeFaults()).toEqual([]);
  });

  test('takes the name of a node as a filter, as the rows show it', async () => {
    const [here, there] = [
      await connectDevice({ uid: 'on-the-first-node', deviceId: 'phone' }),
      await connectDevice({ uid: 'on-the-second-node', deviceId: 'phone', node: 1 }),
    ];
    const tab = await open(`live?kinds=event&node=${encodeURIComponent(NODE_B)}`);
    await until(async () => {
      await there.ask('before', {});
      return (await tab.text()).includes('before');
    });
    await here.ask('on_another_node', {});
    await there.ask('after', {});
    await tab.sees('after');
    expect(await tab.text()).not.toContain('on_another_node');
    expect(tab.takeFaults()).toEqual([]);
  });

  test('stays usable in a flood: rows are bounded, and what is not shown is counted', async () => {
    const client = await connectDevice({ uid: 'flo', deviceId: 'one' });
    const tab = await open('live?user=flo');
    await tab.page.waitForSelector('.dot.good[role=status]');
    for (let sent = 0; sent < 3000; sent += 1) client.socket.emit('flood', { sent });
    const answered = client.ask('barrier', {});
    // The page answers while the flood is under way.
    expect(await tab.page.evaluate('1 + 1')).toBe(2);
    await answered;
    await tab.sees('not shown');
    expect(await tab.page.$$eval('.records > li', (rows) => rows.length)).toBeLessThanOrEqual(1000);
    expect(tab.takeFaults()).toEqual([]);
  });
}
