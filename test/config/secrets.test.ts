import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readConfig } from '../../src/config.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

/** What the start says about these settings, line by line, sorted. */
function complaintsAbout(env: Record<string, string>): string[] {
  try {
    readConfig(env);
  } catch (error) {
    return (error as Error).message
      .split('\n')
      .slice(1)
      .map((line) => line.trim());
  }
  return [];
}

const STRONG = '8f3a1c9e5b7d2046e1a8c3f59b6d7204';
const production = { NODE_ENV: 'production', JWT_SECRET: STRONG, EMIT_API_KEYS: STRONG.slice(16) };
const keySet = { ...production, JWT_SECRET: '', JWKS_URL: 'https://id.example/jwks', JWT_AUDIENCE: 'gateway' };
const site = { SITE_NAME: 'news', AUTH_URL: 'https://news.example/rooms', API_KEY: STRONG.slice(0, 16) };

const SECRET = 'JWT_SECRET: a secret needs at least 32 bytes in production';
const EASY = 'is easy to guess; make one with: openssl rand -hex 32';
const CONSOLE_FORM =
  'CONSOLE_KEYS: must hold name:access:key, with a name of A-Z a-z 0-9 _ . - and the access read or act';
const KEYS = 'EMIT_API_KEYS: a key needs at least 16 bytes in production';

describe('production', () => {
  test.each([
    production,
    { ...production, EMIT_API_KEYS: '', EMIT_AUTH: 'none' },
    { ...production, JWT_SECRET: 'äöüßéèêñçåøæœðþł' },
    keySet,
    { ...keySet, JWT_AUDIENCE: '*' },
    { ...production, ...site },
    { ...production, ...site, API_KEY: '', API_KEYS: STRONG },
    { ...production, JWT_SECRET: '', JWT_SECRETS: `${STRONG}, ${STRONG}0` },
    { ...production, EMIT_API_KEYS: '4711081500420815' },
    { ...production, CONSOLE: 'on' },
    { ...production, CONSOLE: 'on', EMIT_API_KEYS: '', EMIT_AUTH: 'none', CONSOLE_KEYS: `duty:read:${STRONG}` },
    { ...production, CONSOLE_KEYS: `duty:act:${STRONG}, duty:act:${STRONG}:1` },
  ])('starts with %j', (env) => {
    expect(complaintsAbout(env)).toEqual([]);
  });

  test.each<[Record<string, string>, string[]]>([
    [{ JWT_SECRET: 'x' }, [SECRET]],
    [{ JWT_SECRET: STRONG.slice(1) }, [SECRET]],
    [{ JWT_SECRETS: STRONG.slice(1) }, ['JWT_SECRETS: a secret needs at least 32 bytes in production']],
    [{ JWT_SECRETS: Array(21).fill(STRONG).join() }, ['JWT_SECRETS: has more than 20 values']],
    [{ JWT_SECRET: 's'.repeat(32) }, [`JWT_SECRET: ${EASY}`]],
    [{ JWT_SECRET: 'password'.repeat(8) }, [`JWT_SECRET: ${EASY}`]],
    [{ JWT_SECRET: `${STRONG}`.slice(0, 20).repeat(3).slice(0, 50) }, [`JWT_SECRET: ${EASY}`]],
    [{ JWT_SECRET: 'change-me-to-a-long-random-string-please' }, [`JWT_SECRET: ${EASY}`]],
    [{ JWT_SECRET: 'your-256-bit-secret-goes-here-and-is-long' }, [`JWT_SECRET: ${EASY}`]],
    [{ EMIT_API_KEYS: 'your_api_key_goes_here' }, [`EMIT_API_KEYS: ${EASY}`]],
    [{ JWT_SECRET: `${'s'.repeat(10)}${' '.repeat(30)}` }, [SECRET]],
    [{ JWT_SECRET: ' '.repeat(40) }, ['JWT_SECRET: is blank']],
    [{ EMIT_API_KEYS: 'a' }, [KEYS]],
    [{ EMIT_API_KEYS: `${STRONG},${STRONG.slice(17)}` }, [KEYS]],
    [{ EMIT_API_KEYS: ' , ' }, ['EMIT_API_KEYS: is blank']],
    [{ CONSOLE_KEYS: ' , ' }, ['CONSOLE_KEYS: is blank']],
    [{ CONSOLE_KEYS: STRONG }, [CONSOLE_FORM]],
    [{ CONSOLE_KEYS: `duty:${STRONG}` }, [CONSOLE_FORM]],
    [{ CONSOLE_KEYS: `duty:write:${STRONG}` }, [CONSOLE_FORM]],
    [{ CONSOLE_KEYS: `:act:${STRONG}` }, [CONSOLE_FORM]],
    [{ CONSOLE_KEYS: `duty:act:${STRONG},x y:act:${STRONG}1` }, [CONSOLE_FORM]],
    [{ CONSOLE_KEYS: 'duty:act:short' }, ['CONSOLE_KEYS: a key needs at least 16 bytes in production']],
    [{ CONSOLE_KEYS: `duty:act:${'k'.repeat(32)}` }, [`CONSOLE_KEYS: ${EASY}`]],
    [{ CONSOLE_KEYS: `a:read:${STRONG},b:act:${STRONG}` }, ['CONSOLE_KEYS: holds a key twice']],
    [
      { CONSOLE_KEYS: `a:read:${production.EMIT_API_KEYS}` },
      ['CONSOLE_KEYS: holds a key that is one of EMIT_API_KEYS'],
    ],
    [
      { CONSOLE: 'on', EMIT_API_KEYS: '', EMIT_AUTH: 'none' },
      ['CONSOLE_KEYS: production needs a key for the console, which CONSOLE turns on'],
    ],
    [{ ...site, API_KEY: 'k'.repeat(15) }, ['API_KEY: a key needs at least 16 bytes in production']],
    [{ ...site, API_KEY: '\t' }, ['API_KEY: is blank']],
  ])('refuses %j', (env, complaints) => {
    expect(complaintsAbout({ ...production, ...env })).toEqual(complaints);
  });

  test('reports all problems at once, without values', () => {
    const env = {
      NODE_ENV: 'production',
      PORT: 'x',
      JWT_SECRET: '   ',
      EMIT_API_KEYS: 'hunter2',
      ...site,
      API_KEY: 'pw',
    };
    const complaints = complaintsAbout(env);
    expect(complaints.map((line) => line.split(':')[0])).toEqual(['PORT', 'JWT_SECRET', 'EMIT_API_KEYS', 'API_KEY']);
    expect(complaints.join()).not.toMatch(/hunter2|pw/);
    expect(complaintsAbout({ NODE_ENV: 'production' }).map((line) => line.split(':')[0])).toEqual([
      'JWT_SECRET',
      'EMIT_API_KEYS',
    ]);
  });

  test('requires an audience and https beside JWKS_URL', () => {
    expect(complaintsAbout({ ...keySet, JWT_AUDIENCE: '' })).toEqual([expect.stringMatching(/^JWT_AUDIENCE: .*\*/)]);
    expect(complaintsAbout({ ...keySet, JWKS_URL: 'http://id.example/jwks' })).toEqual([
      expect.stringMatching(/^JWKS_URL: .*https/),
    ]);
    expect(complaintsAbout({ ...keySet, JWT_AUDIENCE: '*,gateway' })).toEqual([
      expect.stringMatching(/^JWT_AUDIENCE: .*\*/),
    ]);
  });

  test('applies the same rules to the keys of sites.yml', async () => {
    const SITES_FILE = join(await temporaryDirectory(), 'sites.yml');
    const sites = ['short: { authUrl: http://x, apiKey: 54321 }', 'blank: { authUrl: http://x, apiKey: " " }'];
    await writeFile(SITES_FILE, sites.join('\n'));
    const complaints = complaintsAbout({ ...production, SITES_FILE }).map((line) => line.slice(SITES_FILE.length));
    expect(complaints).toEqual([
      ': short.apiKey: a key needs at least 16 bytes in production',
      ': blank.apiKey: is blank',
    ]);
  });
});

describe('development', () => {
  test('starts with short secrets and without any', () => {
    expect(complaintsAbout({ JWT_SECRET: 'x', EMIT_API_KEYS: 'a', ...site, API_KEY: 'p' })).toEqual([]);
    expect(complaintsAbout({ JWKS_URL: 'http://127.0.0.1:3000/jwks' })).toEqual([]);
    expect(complaintsAbout({})).toEqual([]);
  });

  test('refuses blank secrets', () => {
    expect(complaintsAbout({ JWT_SECRET: ' ', EMIT_API_KEYS: ',' })).toEqual([
      'JWT_SECRET: is blank',
      'EMIT_API_KEYS: is blank',
    ]);
  });
});

test('JWT_ISSUER and JWT_AUDIENCE are lists, and * accepts any audience', () => {
  const { expected } = readConfig({ JWT_ISSUER: 'https://a.example, b', JWT_AUDIENCE: '*' }).auth;
  expect(expected).toEqual({ issuers: ['https://a.example', 'b'], audiences: [], clockToleranceMs: 5000 });
  expect(readConfig({ JWT_CLOCK_TOLERANCE_S: '0' }).auth.expected.clockToleranceMs).toBe(0);
});
