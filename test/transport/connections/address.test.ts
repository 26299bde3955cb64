import { describe, expect, test } from 'vitest';
import { addressKeyOf, isPublicAddress } from '../../../src/transport/connections/address.js';
import { connect } from '../../support/client.js';
import { startGateway } from '../../support/gateway.js';

const keyOf = (forwarded: string | undefined, trustedProxies = 1): string =>
  addressKeyOf({ address: '192.0.2.9', headers: { 'x-forwarded-for': forwarded } }, trustedProxies);

describe('the key of a client address', () => {
  test.each([
    '203.0.113.7',
    '203.0.113.7:5678',
    ' 203.0.113.7 ',
    '"203.0.113.7:1"',
    '::ffff:203.0.113.7',
    '::FFFF:CB00:7107',
    '0:0:0:0:0:ffff:203.0.113.7',
    '[::ffff:203.0.113.7]:80',
    '64:ff9b::203.0.113.7',
    '64:ff9b::cb00:7107',
  ])('is one for all spellings of an IPv4 address: %j', (spelling) => {
    expect(keyOf(spelling)).toBe('203.0.113.7');
  });

  test.each([
    '2001:db8:1:2::1',
    '2001:0DB8:0001:0002:0:0:0:1',
    '[2001:db8:1:2::1]',
    '[2001:db8:1:2::1]:443',
    '"[2001:db8:1:2::1]:9"',
    '2001:db8:1:2:ffff:ffff:ffff:ffff',
    '2001:db8:1:2:3:4:5.6.7.8',
    '2001:db8:1:2::1%eth0',
  ])('is one for all of a /64 and all spellings: %j', (spelling) => {
    expect(keyOf(spelling)).toBe('2001:db8:1:2::/64');
  });

  test('distinguishes networks', () => {
    const keys = ['2001:db8:1:3::1', '2001:db8:1:2::1', '203.0.113.7', '203.0.113.8'].map((address) => keyOf(address));
    expect(new Set(keys).size).toBe(4);
  });

  test.each([
    '',
    ' ',
    'unknown',
    '_hidden',
    'a.b.c.d',
    '203.0.113',
    '203.0.113.7.1',
    '203.0.113.256',
    '0xcb.0.113.7',
    '3405803783',
    '010.0.0.1',
    '203.0.113.7:port',
    '[::1',
    '::1]',
    ':::',
    '1:2:3:4:5:6:7:8:9',
    '[203.0.113.7]',
    '203.0.113.7/32',
    '127.1',
    'for=203.0.113.7',
    `${'9'.repeat(10_000)}`,
    '203.0.113.7:123456',
    '%',
    '::1%',
  ])('falls back to the address of the connection for %j', (garbage) => {
    expect(keyOf(garbage)).toBe('192.0.2.9');
  });

  test('is taken from the nearest trusted proxy', () => {
    const header = '198.51.100.1, 198.51.100.2:1, 198.51.100.3';
    expect([0, 1, 2, 3, 4].map((proxies) => keyOf(header, proxies))).toEqual([
      '192.0.2.9',
      '198.51.100.3',
      '198.51.100.2',
      '198.51.100.1',
      '192.0.2.9',
    ]);
    expect(keyOf(undefined)).toBe('192.0.2.9');
  });

  test.each([
    ['::ffff:192.0.2.9', '192.0.2.9'],
    ['2001:db8:1:2::7', '2001:db8:1:2::/64'],
    ['fe80::1%lo', 'fe80::/64'],
    ['', ''],
  ])('of a connection from %j is %j', (address, key) => {
    expect(addressKeyOf({ address, headers: {} }, 0)).toBe(key);
  });
});

test('a limit holds for an address in any notation', async () => {
  const gateway = await startGateway({ TRUST_PROXY: '1', EVENT_LIMIT: '3', EVENT_LIMIT_WINDOW_MS: '60000' });
  const answersTo = async (forwarded: readonly string[]): Promise<string[]> => {
    const answers: string[] = [];
    for (const address of forwarded) {
      const extraHeaders = { 'x-forwarded-for': `198.51.100.1, ${address}` };
      const client = await connect(gateway, { namespace: '/v1/lead-finder', claims: null, extraHeaders });
      answers.push((await client.ask('join', { scraper_id: 'x' })).message);
      client.close();
    }
    return answers;
  };
  try {
    const v4 = await answersTo(['203.0.113.7:1', '203.0.113.7:2', '::ffff:203.0.113.7', '203.0.113.7']);
    const v6 = await answersTo(['2001:db8::1', '2001:DB8:0::2', '[2001:db8::3]:4', '2001:db8::5']);
    for (const answers of [v4, v6]) {
      expect(answers.slice(0, 3)).not.toContain('RATE_LIMITED');
      expect(answers[3]).toBe('RATE_LIMITED');
    }
  } finally {
    await gateway.close();
  }
});

describe('a public address', () => {
  test.each(['8.8.8.8', '2606:4700:1:2::/64'])('is %s', (key) => {
    expect(isPublicAddress(key)).toBe(true);
  });

  test.each([
    '127.0.0.1',
    '10.0.0.1',
    '172.16.0.1',
    '192.168.1.1',
    '100.64.0.1',
    '169.254.1.1',
    '0.0.0.0',
    '',
    '::/64',
    'fe80::/64',
    'fd00:1:2:3::/64',
    'unknown',
  ])('is not %j', (key) => {
    expect(isPublicAddress(key)).toBe(false);
  });
});
