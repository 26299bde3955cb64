import { expect, test } from 'vitest';
import { until } from '../../support/until.js';
import { actByKeyboard, focusOf, tabTo, typeOver } from '../keyboard.js';
import { cellsOf, refresh, refreshUntil } from '../pages.js';
import type { Setting } from '../setting.js';

/** What changes something, with the keyboard alone. */
export function testActs({ environment, open, connectDevice }: Setting): void {
  test('an event is sent, and its message is a link away', async () => {
    const device = await connectDevice({ uid: 'gil', deviceId: 'phone', node: 1 });
    const tab = await open('users/gil');
    await refreshUntil(tab, (text) => text.includes('1 socket'));
    await actByKeyboard(tab, {
      button: 'Send an event to gil',
      confirm: 'Send an event',
      fields: { Event: 'greeting', Payload: '{ "to": "gil" }' },
    });
    await tab.sees('greeting was sent');
    const [payload] = await device.next('greeting');
    expect(payload).toMatchObject({ to: 'gil' });
    await tabTo(tab, 'See what becomes of it');
    await tab.page.keyboard.press('Enter');
    await tab.sees('Timeline');
    // The focus is at the new page.
    expect(await tab.page.evaluate('document.activeElement?.id')).toBe('content');
    await tab.page.goBack();
    await tab.sees('Durable messages');
    expect(tab.takeFaults()).toEqual([]);
  });

  test('a user is disconnected on every node and kept out, and let in again', async () => {
    const clients = [
      await connectDevice({ uid: 'bob', deviceId: 'one' }),
      await connectDevice({ uid: 'bob', deviceId: 'two', node: 1 }),
    ];
    const tab = await open('users/bob');
    await refreshUntil(tab, (text) => text.includes('2 sockets'));
    await actByKeyboard(tab, {
      button: 'Disconnect bob',
      confirm: 'Disconnect',
      fields: { 'Keep out for minutes': '5', 'Reason (optional)': 'a test' },
    });
    await Promise.all(clients.map(({ closed }) => closed));
    await tab.sees('kept out for 5 min');
    await refreshUntil(tab, (text) => text.includes('offline') && text.includes('blocked until'));
    await actByKeyboard(tab, { button: 'Unblock bob', confirm: 'Unblock' });
    await tab.sees('The block is ended');
    await refreshUntil(tab, (text) => !text.includes('blocked until'));
    await actByKeyboard(tab, { button: 'Block bob', confirm: 'Block', fields: { Minutes: '3' } });
    await tab.sees('Blocked for 3 min');
    const { json } = await environment().node(1).call('GET', '/users/bob/block');
    expect(Date.parse(json.data.blockedUntil)).toBeGreaterThan(Date.now());
    expect(tab.takeFaults()).toEqual([]);
  });

  test('the queue of a device is cleared, and a device that is away is forgotten', async () => {
    const device = await connectDevice({ uid: 'cleo', deviceId: 'tablet' });
    device.close();
    await device.closed;
    await environment().node(0).call('POST', '/emit/cleo/notification?durable=true', {});
    const tab = await open('users/cleo');
    const waiting = async (): Promise<string | undefined> => (await cellsOf(tab, 'Devices of the user'))[0]?.[3];
    await refreshUntil(tab, (text) => text.includes('Forget'));
    await until(async () => (await waiting()) === '1');
    await actByKeyboard(tab, { button: 'Clear queue of tablet', confirm: 'Clear queue' });
    await tab.sees('is cleared. It had 1 message');
    await until(async () => (await waiting()) === '0');
    await actByKeyboard(tab, { button: 'Forget tablet', confirm: 'Forget' });
    await tab.sees('No device is known');
    // The button that had the focus is gone with the device.
    expect(await tab.page.evaluate('document.activeElement?.id')).toBe('content');
    const { json } = await environment().node(1).call('GET', '/users/cleo/devices');
    expect(json.data.devices).toEqual([]);
    expect(tab.takeFaults()).toEqual([]);
  });

  test('the device of clients that name none is cleared and forgotten', async () => {
    const device = await connectDevice({ uid: 'nameless', deviceId: '' });
    device.close();
    await device.closed;
    await environment().node(0).call('POST', '/emit/nameless/notification?durable=true', {});
    const tab = await open('users/nameless');
    await refreshUntil(tab, (text) => text.includes('Forget'));
    await actByKeyboard(tab, { button: 'Clear queue of the device without an id', confirm: 'Clear queue' });
    await tab.sees('The queue of the device without an id is cleared. It had 1 message');
    await actByKeyboard(tab, { button: 'Forget the device without an id', confirm: 'Forget' });
    await tab.sees('the device without an id is forgotten');
    await tab.sees('No device is known');
    expect(tab.takeFaults()).toEqual([]);
  });

  test('a refused act keeps its dialog, with the error and the focus in it', async () => {
    await connectDevice({ uid: 'dee', deviceId: 'watch' });
    const tab = await open('users/dee');
    await tabTo(tab, 'Send an event to dee');
    await tab.page.keyboard.press('Enter');
    await tab.page.waitForSelector('dialog[open] form');
    await typeOver(tab, '_reserved');
    await tabTo(tab, 'Send an event');
    await tab.page.keyboard.press('Enter');
    await tab.page.waitForSelector('dialog[open] [role=alert]');
    expect(await focusOf(tab)).toEqual({ place: 'dialog', name: 'Send an event' });
    expect(await tab.text()).toContain('VALIDATION_ERROR');
    expect(await tab.accessibilityFaults()).toEqual([]);
    await tab.page.keyboard.press('Escape');
    await tab.page.waitForSelector('dialog[open]', { hidden: true });
  });

  test('a node is drained', async () => {
    const node = await environment().startNode({ NODE_NAME: 'node-d' });
    const tab = await open('');
    await refreshUntil(tab, (text) => text.includes('node-d'));
    await actByKeyboard(tab, { button: 'Drain node node-d', confirm: 'Drain' });
    const stateOf = async () => (await cellsOf(tab, 'Nodes')).find(([name]) => name?.startsWith('node-d'))?.[1];
    await until(async () => {
      await refresh(tab);
      return (await stateOf()) === 'draining';
    });
    expect(await tab.page.evaluate('document.activeElement?.id')).toBe('content');
    expect((await node.call('GET', '/health/ready')).status).toBe(503);
    await node.close();
    expect(tab.takeFaults()).toEqual([]);
  });
}
