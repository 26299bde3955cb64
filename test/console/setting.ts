import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { openWebsite, type Website } from '../integrations/push-sites/website.js';
import { type Tab, type TestBrowser, useBrowser } from '../support/browser.js';
import { connect, type TestClient } from '../support/client.js';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';
import { signToken } from '../support/gateway.js';
import { HOSTILE, useBuiltConsole } from './pages.js';

/** A device of a user. */
interface Device {
  readonly uid: string;
  readonly deviceId: string;
  readonly node?: number;
  readonly userAgent?: string;
}

/** Two nodes in development, which need no key, with a push site, and a browser. */
export interface Setting {
  readonly browser: TestBrowser;
  readonly environment: () => TestEnvironment;
  readonly website: () => Website;
  /** Opens a page of the first node, until the test ends. @param path below `/console/` */
  open(path: string): Promise<Tab>;
  /** Connects a device until the test ends. */
  connectDevice(device: Device): Promise<TestClient>;
}

/** Names of the nodes. */
export const NODE_A = 'node-a';
export const NODE_B = `node-b ${HOSTILE}`;
/** The key of the push site `news`. */
export const SITE_KEY = 'the key of the site news';

/** Starts everything before the tests of a file, and ends it after them. */
export function useSetting(): Setting {
  const browser = useBrowser();
  const directory = useBuiltConsole();
  let environment: TestEnvironment;
  let website: Website;
  let settings: string;

  beforeAll(async () => {
    website = await openWebsite();
    settings = await mkdtemp(join(tmpdir(), 'general-socket-'));
    const SITES_FILE = join(settings, 'sites.yml');
    await writeFile(
      SITES_FILE,
      `news:\n  authUrl: ${website.url}/rooms\n  apiKey: ${SITE_KEY}\n  userRoomPrefix: user_\n  updateUserUrl: ${website.url}/users/:id\n`,
    );
    environment = await createTestEnvironment({
      nodes: 2,
      env: { NODE_ENV: 'development', EMIT_API_KEYS: '', SITES_FILE },
      overrides: { consoleDirectory: directory() },
      nodeOptions: (node) => ({ env: { NODE_NAME: node === 0 ? NODE_A : NODE_B } }),
    });
  });
  afterAll(async () => {
    await environment?.close();
    await website?.close();
    await rm(settings, { recursive: true, force: true });
  });

  return {
    browser,
    environment: () => environment,
    website: () => website,
    open: (path) => browser.open(`${environment.node(0).url}/console/${path}`),
    async connectDevice({ uid, deviceId, node = 0, userAgent = 'test' }) {
      const client = await connect(environment.node(node), {
        auth: { token: signToken({ uid }), deviceId },
        extraHeaders: { 'user-agent': userAgent },
      });
      onTestFinished(() => client.close());
      return client;
    },
  };
}
