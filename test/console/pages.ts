import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { buildConsole } from '../../scripts/build-console.js';
import { screens, type Tab } from '../support/browser.js';
import { projectDirectory } from '../support/script.js';
import { until } from '../support/until.js';

/** Keys of the console; the first may only read. */
export const READ_KEY = 'a-key-of-people-who-look';
export const ACT_KEY = 'a-key-of-people-who-act';
/** The setting of both. */
export const CONSOLE_KEYS = `duty:read:${READ_KEY},operators:act:${ACT_KEY}`;

/** Whatever reads it as HTML runs a script, loads an image or closes an attribute. */
export const HOSTILE = `"'><img src=/x onerror=alert(1)><script>alert(2)</script>`;

/** Builds the page once for the tests of a file. @returns reads the directory of the built page */
export function useBuiltConsole(): () => string {
  let directory = '';
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'general-socket-console-'));
    await buildConsole(directory);
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));
  return () => directory;
}

/** Types a key into the log-in and sends it. */
export async function logIn(tab: Tab, key: string): Promise<void> {
  const field = await tab.page.waitForSelector('::-p-aria([role="textbox"])');
  await field?.type(key);
  await tab.page.keyboard.press('Enter');
}

/** Lets the view ask the gateway now; otherwise it does so every few seconds. */
export const refresh = ({ page }: Tab): Promise<unknown> =>
  page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");

/** Lets the view ask again and again until its text fulfils the condition. @returns the text */
export async function refreshUntil(tab: Tab, isWanted: (text: string) => boolean): Promise<string> {
  let text = await tab.text();
  await until(async () => {
    text = await tab.text();
    if (isWanted(text)) return true;
    await refresh(tab);
    return false;
  });
  return text;
}

/** The cells of a table as a reader sees them, row by row, by the accessible name of the table. */
export const cellsOf = async ({ page }: Tab, caption: string): Promise<string[][]> =>
  (await page.evaluate(`
    [...document.querySelectorAll('table')]
      .filter((table) => table.caption?.textContent === ${JSON.stringify(caption)})
      .flatMap((table) => [...table.tBodies].flatMap((body) => [...body.rows]))
      .map((row) => [...row.cells].map((cell) => cell.innerText.trim()))
  `)) as string[][];

/**
 * Looks at a view as people do: light, dark and on a phone. Expects no serious violation of accessibility, and that a phone
 * scrolls the page in one direction only. With `TEST_SCREENSHOTS=1` it writes screenshots to `test-results/`.
 */
export async function inspect(tab: Tab, name: string): Promise<void> {
  await photograph(tab, `${name}-light`);
  await tab.show('dark');
  // All that the colours can change.
  expect(await tab.accessibilityFaults(['color-contrast']), `${name}, dark`).toEqual([]);
  await photograph(tab, `${name}-dark`);
  await tab.show('light');
  await glanceAt(tab, name);
}

/** As {@link inspect}, for a state of a view that has the parts of the others: on a phone only. */
export async function glanceAt(tab: Tab, name: string): Promise<void> {
  const { page } = tab;
  expect(await tab.accessibilityFaults(), name).toEqual([]);
  // Other properties of a phone would load the page anew.
  await page.setViewport({ ...screens.desktop, width: screens.phone.width, height: screens.phone.height });
  // Charts take the new width when the browser has laid out the page.
  const isWithin = 'document.documentElement.scrollWidth <= innerWidth';
  await page.waitForFunction(isWithin).catch(async () => {
    await photograph(tab, `${name}-phone`);
    expect.fail(`${name}: the page is wider than a phone`);
  });
  await photograph(tab, `${name}-phone`);
  await page.setViewport(screens.desktop);
}

/** Writes a screenshot of the whole page to `test-results/NAME.png`, if the tests were started so. */
async function photograph({ page }: Tab, name: string): Promise<void> {
  if (process.env['TEST_SCREENSHOTS'] !== '1') return;
  const directory = join(projectDirectory, 'test-results');
  await mkdir(directory, { recursive: true });
  await page.screenshot({ path: join(directory, `${name}.png`), fullPage: true, optimizeForSpeed: true });
}
