import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { useBrowser } from './browser.js';
import { serveDirectory } from './static-server.js';
import { temporaryDirectory } from './temporary-directory.js';

const browser = useBrowser();

const page = (head: string, body: string): string =>
  `<!doctype html><html lang="en"><title>A page</title><link rel="icon" href="data:,">${head}<main>${body}</main></html>`;

async function serve(pages: Readonly<Record<string, string>>): Promise<string> {
  const directory = await temporaryDirectory();
  for (const [name, text] of Object.entries(pages)) await writeFile(join(directory, name), text);
  return serveDirectory(directory);
}

test('the browser of the tests finds nothing wrong with a sound page', async () => {
  const url = await serve({ 'sound.html': page('', '<h1>Sound</h1>') });
  const tab = await browser.open(`${url}/sound.html`);
  await tab.sees('Sound');
  expect(tab.takeFaults()).toEqual([]);
  expect(await tab.accessibilityFaults()).toEqual([]);
});

test.each([
  ['a script that the policy forbids', `<script>document.title = 'run'</script>`, /Content Security Policy/],
  ['a request that the policy forbids', `<img alt="" src="http://127.0.0.1:1/x.png">`, /Content Security Policy/],
])('the browser of the tests reports %s', async (_what, body, fault) => {
  const policy = `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:">`;
  const url = await serve({ 'policy.html': page(policy, body) });
  const tab = await browser.open(`${url}/policy.html`);
  await expect.poll(() => tab.takeFaults().join('\n')).toMatch(fault);
  expect(await tab.page.title()).toBe('A page');
});

test.each([
  ['a dialog', `<script>alert('hello')</script>`, /^dialog: hello/m],
  ['an uncaught error', `<script>throw new Error('oh')</script>`, /^error: .*oh/m],
  ['a request to another origin', `<img alt="" src="http://127.0.0.1:1/x.png">`, /^request: http:\/\/127.0.0.1:1/m],
  ['an error on the console', `<script>console.error('bad')</script>`, /^console: bad/m],
  ['a resource that is missing', `<img alt="" src="missing.png">`, /^console: .*404/m],
])('the browser of the tests reports %s', async (_what, body, fault) => {
  const url = await serve({ 'fault.html': page('', body) });
  const tab = await browser.open(`${url}/fault.html`);
  await expect.poll(() => tab.takeFaults().join('\n')).toMatch(fault);
});

test('the browser of the tests reports what a reader cannot read or name', async () => {
  const url = await serve({
    'unread.html': page('', '<h1>Title</h1><p style="color: #ddd">pale</p><button></button>'),
  });
  const tab = await browser.open(`${url}/unread.html`);
  const faults = await tab.accessibilityFaults();
  expect(faults.map((fault) => fault.split(':')[0]).sort()).toEqual(['button-name', 'color-contrast']);
});
