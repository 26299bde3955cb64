import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLogger } from '../../../src/platform/logger.js';
import { createTestEnvironment, type TestEnvironment } from '../../support/environment.js';
import { API_KEY } from '../../support/gateway.js';
import { callAs, logIn } from './page.js';

const READ_KEY = 'a-key-of-people-who-look';
const ACT_KEY = 'a-key-of-people-who-act';
const CONSOLE_KEYS = `duty:read:${READ_KEY},operators:act:${ACT_KEY}`;

let environment: TestEnvironment;
let directory: string;
const lines: Record<string, unknown>[] = [];

const logger = createLogger(
  { level: 'info', isPretty: false },
  { write: (line: string) => void lines.push(JSON.parse(line)) },
);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'console-'));
  await writeFile(join(directory, 'index.html'), '<!doctype html><title>Console</title>');
  await writeFile(join(directory, 'main.js'), 'export {};');
  environment = await createTestEnvironment({
    ...{ nodes: 2, env: { CONSOLE_KEYS }, overrides: { logger, consoleDirectory: directory } },
  });
});
afterAll(async () => {
  await environment?.close();
  await rm(directory, { recursive: true, force: true });
});

const open = async (key: string, node = 0) => callAs(environment.node(node), await logIn(environment.node(node), key));

test('the page is served at every path of a view', async () => {
  for (const path of ['/', '/console', '/console/', '/console/users/a.b', '/console/messages/1?x=1']) {
    const answer = await environment.node(0).call('GET', path);
    expect([path, answer.status, answer.text]).toEqual([path, 200, '<!doctype html><title>Console</title>']);
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'");
  }
  expect((await environment.node(0).call('GET', '/console/main.js')).headers.get('content-type')).toMatch(/javascript/);
});

describe('a session', () => {
  test('is opened by a key, works on every node, and ends by logging out', async () => {
    const cookie = await logIn(environment.node(0), ACT_KEY);
    for (const node of [0, 1]) {
      const call = callAs(environment.node(node), cookie);
      const session = (await call('GET', '/session')).json.data;
      expect(session).toMatchObject({ access: 'act', name: 'operators', isOpen: false, isDevelopment: true });
      expect((await call('GET', '/nodes')).json.data.nodes).toHaveLength(2);
      expect((await call('GET', '/cluster', undefined, {})).status).toBe(200);
    }
    const out = await callAs(environment.node(0), cookie)('DELETE', '/session');
    expect(out.headers.get('set-cookie')).toMatch(/^console_session=; Path=\/console; Expires=Thu, 01 Jan 1970/);
  });

  test('of an API key may act, and is named by the digest of the key', async () => {
    const call = await open(API_KEY);
    expect((await call('GET', '/session')).json.data).toMatchObject({ access: 'act', name: /^sha256:/ });
  });

  test('is told nothing without a cookie', async () => {
    const answer = await environment.node(0).call('GET', '/console/api/session', undefined, { 'x-api-key': API_KEY });
    expect(answer.json.data).toEqual({ access: null, isDevelopment: true });
  });
});
