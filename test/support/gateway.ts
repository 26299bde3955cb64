import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import jwt from 'jsonwebtoken';
import type { Overrides } from '../../src/app/base.js';
import { type App, createApp } from '../../src/app.js';
import { readConfig } from '../../src/config.js';
import { createLogger } from '../../src/platform/logging/logger.js';
import { startDatabase, startEmbedded } from './database.js';

/** The secret of every gateway under test. */
export const SECRET = 'a secret of the tests, and of nothing else';
/** The key of the REST routes of every gateway under test. */
export const API_KEY = 'key-of-the-tests';

/** A gateway that listens on a free port. */
export interface TestGateway {
  readonly url: string;
  readonly port: number;
  readonly app: App;
  /** A REST call with the API key. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<TestResponse>;
  close(): Promise<void>;
}

/** An answer, read. */
export interface TestResponse {
  status: number;
  headers: Headers;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into an answer without declaring its form again
  json: any;
}

/**
 * Starts a gateway with a database of its own, unless `env` names another. The caller closes it, in
 * `afterAll` or by `onTestFinished`.
 */
export async function startGateway(env: Record<string, string> = {}, overrides: Overrides = {}): Promise<TestGateway> {
  const directory = env['DATA_DIR'] ?? (await mkdtemp(join(tmpdir(), 'general-socket-')));
  // A gateway with a data directory but without a URL starts an embedded database in that directory.
  const isDatabaseGiven = env['DATA_DIR'] !== undefined || env['MONGODB_URL'] !== undefined;
  const database = isDatabaseGiven ? undefined : await startDatabase();
  const removeData = async (): Promise<void> => {
    await database?.stop();
    if (env['DATA_DIR'] === undefined) await rm(directory, { recursive: true, force: true });
  };
  const config = readConfig({
    NODE_ENV: 'test',
    HOST: '127.0.0.1',
    PORT: '0',
    JWT_SECRET: SECRET,
    EMIT_API_KEYS: API_KEY,
    DATA_DIR: directory,
    SHUTDOWN_DRAIN_MS: '0',
    // Guards against hanging: a loaded machine, and tests that move time, would reach them in tests of something else.
    STARTUP_TIMEOUT_MS: '120000',
    CONNECT_TIMEOUT_MS: '86400000',
    EVENT_TIMEOUT_MS: '86400000',
    LOG_LEVEL: process.env['TEST_LOG_LEVEL'] ?? 'silent',
    ...(database === undefined ? {} : { MONGODB_URL: database.url }),
    ...env,
  });
  const logger = createLogger({ level: config.logLevel, isPretty: true });
  const app = createApp(config, { logger, startEmbedded, ...overrides });
  const { port } = await app.start().catch(async (error: unknown) => {
    await removeData();
    throw error;
  });
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    port,
    app,
    async call(method, path, body, headers = {}) {
      const response = await fetch(url + path, {
        method,
        headers: {
          'x-api-key': API_KEY,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const type = response.headers.get('content-type') ?? '';
      // A stream has no end: the head of its answer is all that is read.
      const isStream = type.startsWith('application/x-ndjson');
      if (isStream) await response.body?.cancel();
      const text = isStream ? '' : await response.text();
      const isJson = type.startsWith('application/json');
      const json = isJson && text !== '' ? JSON.parse(text) : undefined;
      return { status: response.status, headers: response.headers, text, json };
    },
    async close() {
      await app.close();
      await removeData();
    },
  };
}

/** A user token; `claims` replace or, as `undefined`, remove the defaults. */
export function signToken(claims: Record<string, unknown> = {}, options: jwt.SignOptions = {}): string {
  const all = { uid: 'user-1', account_id: 'account-1', workspace_id: 'workspace-1', scope: 'conversation', ...claims };
  const isExpirySet = 'exp' in all || options.expiresIn !== undefined;
  return jwt.sign(JSON.parse(JSON.stringify(all)), SECRET, isExpirySet ? options : { expiresIn: '1h', ...options });
}
