import { describe, expect, test } from 'vitest';
import { ConfigError, readConfig } from '../../src/config.js';

/** What is said of a variable; empty when it is accepted. */
function complaintAbout(variables: Record<string, string>): string {
  try {
    readConfig({ NODE_ENV: 'test', ...variables });
    return '';
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

describe('REDIS_URL', () => {
  test.each([
    'redis://localhost',
    'redis://localhost:6379',
    'rediss://localhost:6380/',
    'redis://10.0.0.1/15',
    'REDIS://host',
    'redis://:secret@host',
    'redis://user:secret@host:6379/0',
    'redis://user@host',
    'redis://[::1]:6379/1',
    'redis://:p%2Fw%23%3F%25@host',
    'redis://:with:colon@host',
    'redis://:with@sign@host',
    ' redis://host ',
    'redis+sentinel://a,b:26380,[::1]/main',
    'rediss+sentinel://user:p%40ss@a/my-master.1/3',
    'redis+sentinel://:pass@a,b/main?sentinel_user=u&sentinel_password=p%26',
    'redis+cluster://:pass@a:7000,b,[::1]:7002',
    'rediss+cluster://a/',
    'redis+cluster://a/0',
  ])('accepts %j', (url) => {
    expect(complaintAbout({ REDIS_URL: url })).toBe('');
    expect(readConfig({ NODE_ENV: 'test', REDIS_URL: url }).redis.url).toBe(url.trim());
  });

  test.each([
    ['redis://:hunter2/x@host:6379/0', /percent-encoded/],
    ['redis://user:12/hunter2@host', /percent-encoded/],
    ['redis://user:hunter2#x@host', /percent-encoded/],
    ['redis://user:12#hunter2@host', /percent-encoded/],
    ['redis://user:hunter2?x@host', /percent-encoded/],
    ['redis://hunter2\n@host', /percent-encoded/],
    ['redis://:hunter2%@host', /%25/],
    ['redis://:hunter2%zz@host', /%25/],
    ['http://:hunter2@host', /redis:\/\/.*not http/],
    ['unix:///var/run/hunter2.sock', /redis:\/\/.*not unix/],
    ['hunter2@host', /redis:\/\//],
    ['host:6379', /redis:\/\//],
    ['redis:host', /redis:\/\//],
    ['redis://', /has no host/],
    ['redis://:hunter2@', /has no host/],
    ['redis://:6379', /has no host/],
    ['redis:///0', /has no host/],
    ['redis://host:hunter2', /port/],
    ['redis://host:0', /port/],
    ['redis://host:65536', /port/],
    ['redis://host:', /port/],
    ['redis://host/hunter2', /database/],
    ['redis://host/-1', /database/],
    ['redis://host/1.5', /database/],
    ['redis://host/0/1', /database/],
    ['redis://host?db=1', /database/],
    ['redis://host#hunter2', /database/],
    ['redis://ho st', /not a URL|is not/],
    ['redis://[::1', /./],
    ['redis+sentinel://a,b', /name of the master/],
    ['redis+sentinel://a,b/', /name of the master/],
    ['redis+sentinel://a,,b/main', /has no host/],
    ['redis+sentinel://a,b:hunter2/main', /port/],
    ['redis+sentinel://a/main/hunter2', /database/],
    ['redis+sentinel://:hunter2/x@a/main', /percent-encoded/],
    ['redis+sentinel://a/main?password=hunter2', /sentinel_password/],
    ['redis+sentinel://a/main?sentinel_password=hunter2%', /%25/],
    ['redis+cluster://', /has no host/],
    ['redis+cluster://a,b/1', /database 0 only/],
    ['redis+cluster://a/hunter2', /database 0 only/],
    ['sentinel://a/main', /redis\+sentinel:\/\/.*not sentinel/],
    ['"redis://:hunter2@host"', /quotes/],
    ["'redis://:hunter2@host'", /quotes/],
  ])('refuses %j with the reason, without quoting it', (url, reason) => {
    const complaint = complaintAbout({ REDIS_URL: url });
    expect(complaint).toMatch(reason);
    expect(complaint).toMatch(/^ {2}REDIS_URL: /m);
    expect(complaint).not.toContain('hunter2');
  });
});

describe('REDIS_PREFIX', () => {
  test.each([
    'general-socket',
    'a',
    'app:prod',
    'app/prod',
    'größe',
    'a b',
    '{app}',
    '{}',
    '}{',
    '[a]',
    'a]',
    '[',
    'a*',
    '*',
    'a?',
    'a\\',
    '\\*',
    '[^a-z]',
  ])('accepts %j', (prefix) => {
    expect(complaintAbout({ REDIS_PREFIX: prefix })).toBe('');
  });

  test.each([
    'a\n',
    'a\r',
    '\ta',
    'a\u0000b',
    ' a',
    'a ',
    '\u00a0a',
    'a\u200b',
    '\ufeffa',
    '\u0085',
    '"a"',
    "'a'",
    'a-request',
    'a-response',
    'x'.repeat(201),
    'é'.repeat(101),
  ])('refuses %j, which would separate the node from the others', (prefix) => {
    expect(complaintAbout({ REDIS_PREFIX: prefix })).toMatch(/^ {2}REDIS_PREFIX: must not /m);
  });
});

test('refuses files for TLS that have no effect, or miss the other one', () => {
  const read = (env: Record<string, string>) => () => readConfig({ NODE_ENV: 'test', ...env });
  const REDIS_TLS_CERT_FILE = 'cert.pem';
  expect(read({ REDIS_URL: 'redis://a', REDIS_TLS_CA_FILE: 'ca.pem' })).toThrow(/REDIS_TLS_CA_FILE: has no effect/);
  expect(read({ REDIS_URL: 'rediss+cluster://a', REDIS_TLS_CERT_FILE })).toThrow(/needs REDIS_TLS_KEY_FILE/);
  expect(read({ REDIS_URL: 'rediss://a', REDIS_TLS_KEY_FILE: 'key.pem' })).toThrow(/needs REDIS_TLS_CERT_FILE/);
  const files = { REDIS_TLS_CA_FILE: 'ca.pem', REDIS_TLS_CERT_FILE, REDIS_TLS_KEY_FILE: 'key.pem' };
  const url = 'rediss+sentinel://a/main';
  expect(read({ REDIS_URL: url, ...files })().redis.tlsFiles).toEqual({
    ca: 'ca.pem',
    cert: 'cert.pem',
    key: 'key.pem',
  });
});
