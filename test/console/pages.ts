import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { buildConsole } from '../../scripts/build-console.js';
import type { Tab } from '../support/browser.js';

/** Keys of the console; the first may only read. */
export const READ_KEY = 'a-key-of-people-who-look';
export const ACT_KEY = 'a-key-of-people-who-act';
/** The setting of both. */
export const CONSOLE_KEYS = `duty:read:${READ_KEY},operators:act:${ACT_KEY}`;

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
