import { expect, test } from 'vitest';
import { deliveryReasons } from '#shared/contracts/delivery-reasons.js';
import { cellsOf, glanceAt, inspect, refreshUntil } from '../pages.js';
import { NODE_A, NODE_B, type Setting } from '../setting.js';

/** The views of a user and of a message. */
export function testUsers({ environment, open, connectDevice }: Setting): void {
  test('a user is shown with the devices of both nodes, and a message tells its way', async () => {
    const phone = await connectDevice({ uid: 'ada', deviceId: 'phone' });
    await connectDevice({ uid: 'ada', deviceId: 'laptop', node: 1 });
    phone.socket.on('notification', (_payload: unknown, acknowledge?: () => void) => acknowledge?.());
    const tab = await open('users/ada');
    await refreshUntil(tab, (text) => text.includes('online · 2 sockets'));
    await tab.sees(NODE_B);
    expect((await cellsOf(tab, 'Open sockets')).map((cells) => [cells[1], cells[6]]).sort()).toEqual([
      ['laptop', NODE_B],
      ['phone', NODE_A],
    ]);

    const { json } = await environment().node(1).call('POST', '/emit/ada/notification?durable=true', { a: 1 });
    // The laptop does not acknowledge it, so its reason is another than that of the phone.
    await refreshUntil(tab, (text) => /\bACKNOWLEDGED/.test(text) && text.includes('NOT_ACKNOWLEDGED'));
    expect(await tab.text()).toContain(deliveryReasons.NOT_ACKNOWLEDGED.slice(1, 30));
    await inspect(tab, 'user');

    await tab.page.locator('.messages ::-p-text(notification)').click();
    await tab.sees('Timeline');
    // The node that stored it.
    await tab.sees(NODE_B);
    const address = tab.page.url();
    expect(new URL(address).pathname).toBe(`/console/messages/${json.data.id}`);
    const devices = await cellsOf(tab, 'State on each device');
    expect(devices.map(([device, state]) => [device, state]).sort()).toEqual([
      ['laptop', 'sent'],
      ['phone', 'acked'],
    ]);
    await inspect(tab, 'message');
    await tab.page.reload();
    await tab.sees('Timeline');
    expect(tab.page.url()).toBe(address);
    expect(tab.takeFaults()).toEqual([]);
  });

  test('users are found by the beginning of a name, with the keyboard alone', async () => {
    await environment().people(
      ...Array.from({ length: 22 }, (_, index) => `Searched ${String(index).padStart(2, '0')}`),
    );
    const [only] = await environment().people('Élodie Searchable');
    const tab = await open('users');
    const search = async (text: string): Promise<void> => {
      await tab.page.keyboard.type(text);
      await tab.page.keyboard.press('Enter');
    };
    // The field has the focus as soon as it is there.
    await tab.page.waitForFunction(`document.activeElement?.type === 'search'`);
    await search('elodie s');
    await tab.sees('1 user');
    expect((await cellsOf(tab, 'Users found')).map(([name, id]) => [name, id])).toEqual([
      ['Élodie Searchable', only.id],
    ]);
    await tab.page.focus('input[type=search]');
    await tab.page.keyboard.down('Control');
    await tab.page.keyboard.press('A');
    await tab.page.keyboard.up('Control');
    await search('SEARCHED');
    await tab.sees('The first 20.');
    expect((await cellsOf(tab, 'Users found')).map(([name]) => name)).toEqual(
      Array.from({ length: 20 }, (_, index) => `Searched ${String(index).padStart(2, '0')}`),
    );
    await inspect(tab, 'users');
    await tab.page.focus('table a');
    await tab.page.keyboard.press('Enter');
    await tab.sees('No socket is open');
    await tab.page.goBack();
    await tab.sees('The first 20.');

    const none = await open('users?search=unknown-name');
    await none.sees('no name begins with it');
    await glanceAt(none, 'users-none');
    expect([...tab.takeFaults(), ...none.takeFaults()]).toEqual([]);
  });

  test('counters that differ from a recount are marked', async () => {
    const [ann, bob] = await environment().people('Ann Counted', 'Bob Counted');
    const client = await environment().open(ann);
    await client.ask('add_conversation', { users: [bob.id], channel_id: 'general' });
    // As another service does that forgets the counters.
    await environment().models.Member.updateOne({ user: ann.id }, { unread_count: 3 });
    await environment().models.Counter.updateOne({ user: ann.id, channel_id: 'you' }, { open: 99 });
    const tab = await open(`users/${ann.id}`);
    await tab.sees('2 numbers are wrong');
    const rows = await cellsOf(tab, 'Counters of conversations');
    expect(rows.filter(([, stored, counted]) => stored !== counted)).toEqual([
      ['open', '99', '1', 'differs by 98'],
      ['unread', '0', '1', 'differs by -1'],
    ]);
    await inspect(tab, 'counters');
    await client.ask('channel', {});
    await refreshUntil(tab, (text) => text.includes('the numbers agree'));
    expect(tab.takeFaults()).toEqual([]);
    client.close();
  });

  test('a message and a user that are not known say so', async () => {
    const [message, user] = [await open(`messages/${'a'.repeat(24)}`), await open('users/unknown-user')];
    await message.sees('NOT_FOUND');
    await user.sees('No socket is open');
    await user.sees('No durable message is recorded');
    await glanceAt(message, 'message-unknown');
    await glanceAt(user, 'user-unknown');
    expect(user.takeFaults()).toEqual([]);
  });
}
