import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connectRedis, type Redis, type RedisOptions } from '../../../src/platform/redis/connect.js';
import type { RedisTlsFiles } from '../../../src/platform/redis/tls.js';
import { startCluster } from '../../support/redis-cluster.js';
import { type RedisProcess, startRedisProcess, startSentinels } from '../../support/redis-sentinel.js';
import { freePort } from '../../support/redis-server.js';
import { createTestTls, type TestTls } from '../../support/redis-tls.js';
import { until } from '../../support/until.js';

const lines: string[] = [];
const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
const undo: (() => unknown)[] = [];
const PASSWORD = 'server-hunter2';
let directory: string;
let own: TestTls;
let other: TestTls;
let strict: TestTls;
let server: RedisProcess;
let strictServer: RedisProcess;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'general-socket-tls-'));
  own = await createTestTls(directory, { name: 'own' });
  other = await createTestTls(directory, { name: 'other' });
  strict = await createTestTls(directory, { name: 'strict', demandsCertificates: true });
  server = await startOf(own);
  strictServer = await startOf(strict);
});
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
  expect(lines.splice(0).join('')).not.toContain('hunter2');
});
afterAll(async () => {
  await Promise.all([server.kill(), strictServer.kill()]);
  await rm(directory, { recursive: true, force: true });
});

const startOf = async (tls: TestTls): Promise<RedisProcess> =>
  startRedisProcess({
    directory,
    port: await freePort(),
    password: PASSWORD,
    tls,
    lines: ['save ""', 'appendonly no'],
  });

const urlOf = ({ port }: RedisProcess, host = '127.0.0.1'): string => `rediss://:${PASSWORD}@${host}:${port}`;
const withCertificate = ({ certFile, keyFile }: TestTls): RedisTlsFiles => ({
  ca: certFile,
  cert: certFile,
  key: keyFile,
});

async function open(options: Pick<RedisOptions, 'url'> & Partial<RedisOptions>): Promise<Redis> {
  const redis = await connectRedis({ prefix: 'test', startupTimeoutMs: 120_000, logger, ...options });
  undo.push(() => redis.close());
  return redis;
}

/** The message of the error of a start. */
async function failureOf(url: string, tlsFiles: RedisTlsFiles = {}): Promise<string> {
  const error = await open({ url, tlsFiles, startupTimeoutMs: 600_000 }).then(
    () => 'started',
    (thrown: Error) => thrown.message,
  );
  expect(error).not.toContain('hunter2');
  return error;
}

/** Commands, messages and subscriptions pass. */
async function ensureWorks(redis: Redis): Promise<void> {
  const heard: string[] = [];
  await redis.subscriber.subscribe('test:tls', (message) => heard.push(message.toString()), true);
  await redis.join();
  await redis.commands.sendCommand(['SET', 'test:tls', 'stored']);
  expect(await redis.commands.sendCommand(['GET', 'test:tls'])).toBe('stored');
  await redis.publisher.publish('test:tls', 'published');
  await expect.poll(() => heard).toEqual(['published']);
}

describe('a connection with TLS', () => {
  test('works with the authority of the setting', async () => {
    await ensureWorks(await open({ url: urlOf(server), tlsFiles: { ca: own.certFile } }));
  });

  test('presents the certificate of the setting to a Redis that demands one', async () => {
    await ensureWorks(await open({ url: urlOf(strictServer), tlsFiles: withCertificate(strict) }));
  });

  test('works with Redis Sentinel, to the sentinels and to the servers, also after a fail-over', async () => {
    const sentinels = await startSentinels({ tls: strict });
    undo.push(() => sentinels.dispose());
    const { url } = sentinels;
    const redis = await open({ url, tlsFiles: withCertificate(strict) });
    await ensureWorks(redis);
    await sentinels.failOver();
    await expect.poll(() => redis.commands.sendCommand(['SET', 'test:after', '1']).catch(String)).toBe('OK');
    expect(await failureOf(url, { ...withCertificate(strict), ca: other.certFile })).toMatch(
      /^Redis at rediss\+sentinel:\/\/.* cannot be used: sentinel 127\.0\.0\.1:\d+: .*certificate.* REDIS_TLS_CA_FILE must name/,
    );
  });

  test('works with Redis Cluster, to each of its servers', async () => {
    const cluster = await startCluster({ tls: own });
    undo.push(() => cluster.dispose());
    const redis = await open({ url: cluster.url, tlsFiles: { ca: own.certFile } });
    await ensureWorks(redis);
    const answers = () => Array.from({ length: 30 }, (_, n) => redis.commands.sendCommand(['SET', `test:${n}`, '1']));
    // On a loaded machine the first handshake with a server can take longer than its limit.
    await until(() =>
      Promise.all(answers())
        .then(() => true)
        .catch(() => false),
    );
    expect(new Set(await Promise.all(answers()))).toEqual(new Set(['OK']));
    expect(await failureOf(cluster.url, { ca: other.certFile })).toMatch(
      /^Redis at rediss\+cluster:\/\/.* cannot be used: .*certificate.* REDIS_TLS_CA_FILE must name/,
    );
  });

  test('reads a renewed certificate for its next connection', async () => {
    const files = await createTestTls(directory, { name: 'renewed' });
    const port = await freePort();
    let redisServer = await startRedisProcess({ directory, port, password: PASSWORD, tls: own, lines: ['save ""'] });
    undo.push(() => redisServer.kill());
    await copyFile(own.certFile, files.certFile);
    const redis = await open({ url: urlOf(redisServer), tlsFiles: { ca: files.certFile } });
    await redisServer.kill();
    await copyFile(other.certFile, files.certFile);
    redisServer = await startRedisProcess({ directory, port, password: PASSWORD, tls: other, lines: ['save ""'] });
    await expect.poll(() => redis.isReady()).toBe(true);
    await ensureWorks(redis);
  });
});

describe('a start fails at once and names the remedy when', () => {
  const CA =
    /^Redis at rediss:\/\/127\.0\.0\.1:\d+ cannot be used: .*certificate.*\. REDIS_TLS_CA_FILE must name [^.]*\.$/;

  test('the authority is another one, or none is named', async () => {
    expect(await failureOf(urlOf(server), { ca: other.certFile })).toMatch(CA);
    expect(await failureOf(urlOf(server))).toMatch(CA);
  });

  test('the certificate is for another host', async () => {
    expect(await failureOf(urlOf(server, 'localhost'), { ca: own.certFile })).toMatch(
      /^Redis at rediss:\/\/localhost:\d+ cannot be used: .*localhost.* must be valid, for the host/,
    );
  });

  test('Redis demands a certificate of its clients', async () => {
    expect(await failureOf(urlOf(strictServer), { ca: strict.certFile })).toMatch(
      /cannot be used: .* name it in REDIS_TLS_CERT_FILE, and its key in REDIS_TLS_KEY_FILE\.$/,
    );
  });

  test('a file cannot be read, or is not what it should be', async () => {
    const garbage = join(directory, 'garbage.pem');
    await writeFile(garbage, 'hunter2');
    const url = urlOf(server);
    expect(await failureOf(url, { ca: join(directory, 'none.pem') })).toMatch(
      /^REDIS_TLS_CA_FILE .*none\.pem cannot be read: ENOENT$/,
    );
    expect(await failureOf(url, { ca: garbage })).toMatch(
      /^REDIS_TLS_CA_FILE .*garbage\.pem holds no valid certificate/,
    );
    expect(await failureOf(url, { ca: own.certFile, cert: own.certFile, key: other.keyFile })).toMatch(
      /^REDIS_TLS_CERT_FILE and REDIS_TLS_KEY_FILE are not a certificate and its key: /,
    );
  });
});

test('a start that fails because only one side speaks TLS says so', async () => {
  const plain = await startRedisProcess({ directory, port: await freePort(), password: PASSWORD, lines: ['save ""'] });
  undo.push(() => plain.kill());
  const soon = { startupTimeoutMs: 4_000, tlsFiles: { ca: own.certFile } };
  const toServer = open({ ...soon, url: urlOf(server).replace('rediss', 'redis') });
  await Promise.all([
    expect(open({ ...soon, url: urlOf(plain) })).rejects.toThrow(/redis:\/\/ instead of rediss:\/\//),
    expect(toServer).rejects.toThrow(/If the port uses TLS/),
  ]);
});
