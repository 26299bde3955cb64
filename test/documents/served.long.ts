import { expect, onTestFinished, test } from 'vitest';
import { useBrowser } from '../support/browser.js';
import { startGateway } from '../support/gateway.js';

const browser = useBrowser();

test('the whole page for people is sound in a browser, light and dark', async () => {
  const gateway = await startGateway({ NODE_ENV: 'development', EMIT_API_KEYS: '' });
  onTestFinished(() => gateway.close());
  const tab = await browser.open(`${gateway.url}/docs`);
  await tab.sees('/v1/shared');
  for (const scheme of ['light', 'dark'] as const) {
    await tab.show(scheme);
    expect(await tab.accessibilityFaults(), scheme).toEqual([]);
  }
  expect(tab.takeFaults()).toEqual([]);
});
