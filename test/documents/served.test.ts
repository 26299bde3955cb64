import { expect, onTestFinished, test } from 'vitest';
import { screens, useBrowser } from '../support/browser.js';
import { startGateway } from '../support/gateway.js';

const browser = useBrowser();

test('a gateway serves its documents to authenticated callers', async () => {
  const gateway = await startGateway();
  onTestFinished(() => gateway.close());
  expect(await gateway.call('GET', '/openapi.json')).toMatchObject({ status: 200, json: { openapi: '3.1.1' } });
  expect(await gateway.call('GET', '/asyncapi.json')).toMatchObject({ status: 200, json: { asyncapi: '3.0.0' } });
  const refused = await gateway.call('GET', '/openapi.json', undefined, { 'x-api-key': 'wrong' });
  expect(refused).toMatchObject({ status: 401, json: { success: false, errno: 401, message: 'INVALID_API_KEY' } });
});

/** Leaves three of all siblings of the same kind: axe-core needs half a minute for the whole page. */
const KEEP_A_SAMPLE = `
  for (const parent of document.querySelectorAll('body, body *')) {
    const counts = {};
    for (const child of [...parent.children]) {
      const kind = child.tagName + '.' + child.className;
      counts[kind] = (counts[kind] ?? 0) + 1;
      if (counts[kind] > 3) child.remove();
    }
  }
`;

/* `served.long.ts` examines the whole page. */
test('the page for people is sound in a browser, light and dark', async () => {
  const gateway = await startGateway({ NODE_ENV: 'development', EMIT_API_KEYS: '' });
  onTestFinished(() => gateway.close());
  const tab = await browser.open(`${gateway.url}/docs`);
  await tab.sees('/v1/shared');
  await tab.page.evaluate(KEEP_A_SAMPLE);
  expect(await tab.accessibilityFaults()).toEqual([]);
  await tab.show('dark');
  // All that the colours can change.
  expect(await tab.accessibilityFaults(['color-contrast'])).toEqual([]);
  expect(tab.takeFaults()).toEqual([]);
});

test('the page for people fits a phone, where its index leaves room for what follows', async () => {
  const gateway = await startGateway({ NODE_ENV: 'development', EMIT_API_KEYS: '' });
  onTestFinished(() => gateway.close());
  const { page } = await browser.open(`${gateway.url}/docs`, { screen: screens.phone });
  const { width, top } = (await page.evaluate(`({
    width: document.documentElement.scrollWidth,
    top: document.querySelector('main').getBoundingClientRect().top,
  })`)) as { width: number; top: number };
  expect(width).toBe(screens.phone.width);
  expect(top).toBeLessThan(screens.phone.height);
});
