import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { wireVersion } from '#shared/contracts/index.js';
import { createLogger } from '../../src/platform/logging/logger.js';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { startProgram } from '../support/program.js';
import { compiled, projectDirectory } from '../support/script.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const { version } = JSON.parse(await readFile(join(projectDirectory, 'package.json'), 'utf8'));

const lines = new PassThrough();
let gateway: TestGateway;

beforeAll(async () => {
  const logger = createLogger({ level: 'info', isPretty: false }, lines);
  gateway = await startGateway({}, { logger });
});
afterAll(() => gateway.close());

test('the log begins with the versions of the gateway and of the wire', () => {
  const [first = ''] = String(lines.read()).split('\n');
  expect(JSON.parse(first)).toMatchObject({ event: 'starting', version, wire: wireVersion, nodejs: process.version });
});

test('GET /health/live shows both versions to a caller with the key only, and GET /status stays as it is', async () => {
  const live = await gateway.call('GET', '/health/live');
  expect(live.json).toEqual({ success: true, message: 'SUCCESS', data: { version, wire: wireVersion } });
  for (const key of ['', 'another key']) {
    const { status, json } = await gateway.call('GET', '/health/live', undefined, { 'x-api-key': key });
    expect([status, json]).toEqual([200, { success: true, message: 'SUCCESS', data: {} }]);
  }
  expect(String(lines.read())).toMatch(/"event":"key_refused".*"path":"\/health\/live"/);
  const status = await gateway.call('GET', '/status');
  expect(status.json).toEqual({ success: true, message: 'General socket is running' });
});

test('the OpenAPI document describes what GET /health/live answers', async () => {
  const { json } = await gateway.call('GET', '/openapi.json');
  const { schema } = json.paths['/health/live'].get.responses['200'].content['application/json'];
  expect(Object.keys(schema.properties.data.properties)).toEqual(['version', 'wire']);
});

test('a metric has both versions as its labels', async () => {
  const { text } = await gateway.call('GET', '/metrics');
  expect(text).toContain(
    `gateway_build_info{version="${version}",wire="${wireVersion}",nodejs="${process.version}"} 1\n`,
  );
});

test('the process prints its version when it listens', async () => {
  const env = { PORT: '0', DATA_DIR: await temporaryDirectory(), LOG_LEVEL: 'fatal' };
  const started = startProgram(process.execPath, [compiled('src/main.ts')], { cwd: projectDirectory, env });
  expect(await started.line(/listens on/)).toContain(`General Socket ${version} listens on`);
});
