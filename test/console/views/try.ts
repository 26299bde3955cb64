import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { inspect } from '../pages.js';
import type { Setting } from '../setting.js';

/** The playground. */
export function testTry({ environment, open }: Setting): void {
  test('a newcomer sees a message arrive in the browser by one button', async () => {
    const tab = await open('try');
    await tab.page.locator('::-p-aria(Connect and send an event[role="button"])').click();
    await tab.sees('after it was sent');
    expect(await tab.page.$eval('.arrived', (part) => part.textContent)).toContain('New Lead');
    await inspect(tab, 'try');
    await tab.page.locator('::-p-text(Routes)').click();
    await tab.sees('The same in a terminal');
    await inspect(tab, 'try-routes');
    expect(tab.takeFaults()).toEqual([]);
  });

  test('a file is chosen for an event that takes one, and stored as it is', async () => {
    const [user] = await environment().people('Filippa');
    const directory = await mkdtemp(join(tmpdir(), 'general-socket-file-'));
    onTestFinished(() => rm(directory, { recursive: true }));
    const path = join(directory, 'dot.png');
    const content = Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
      'base64',
    );
    await writeFile(path, content);
    const tab = await open(`try/events?user=${user.id}&namespace=%2F`);
    await tab.sees('Connection');
    await tab.page.locator('::-p-aria(Connect[role="button"])').click();
    await tab.page.waitForSelector('.dot.good[role=status]');
    const name = await tab.page.waitForSelector('input[list]');
    await name?.focus();
    await tab.page.keyboard.type('file_upload');
    await tab.sees('Choose a file first.');
    const chooser = await tab.page.waitForSelector('input[type=file]');
    await (chooser as { uploadFile(path: string): Promise<void> } | null)?.uploadFile(path);
    // The name of the file is in the arguments; the conversation is left out, so that the file is only stored.
    await tab.page.waitForFunction(`document.querySelector('.stack textarea').value.includes('dot.png')`);
    await tab.page.focus('.stack textarea');
    await tab.page.keyboard.down('Control');
    await tab.page.keyboard.press('A');
    await tab.page.keyboard.up('Control');
    await tab.page.keyboard.type('["<binary>", null]');
    await tab.page.locator('::-p-aria(Emit[role="button"])').click();
    await tab.page.waitForSelector('.entry.out');
    await tab.page.locator('.entry.out summary').click();
    await tab.sees(`<binary, ${content.length} bytes: 89 50 4e 47`);
    await tab.sees('"success": true');
    await inspect(tab, 'try-events');
    const stored = await environment().connection.db?.collection('support.files.files').findOne();
    expect(stored).toMatchObject({ length: content.length });
    expect(tab.takeFaults()).toEqual([]);
  });
}
