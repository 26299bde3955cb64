import { expect, test } from 'vitest';
import { createMetrics } from '../../../src/platform/metrics.js';
import { noPeers } from '../../../src/platform/peer-counts.js';
import { createConnectionBounds } from '../../../src/transport/connections/connection-bounds.js';

type Connection = Parameters<ReturnType<typeof createConnectionBounds>['hold']>[0];

/** Holds connections of one address until one is refused. @returns how many there are then, or 10,001 */
function holdAll(
  address: string,
  bounds: { addressMax?: number; trustedProxies?: number; forwarded?: string },
): number {
  const { addressMax, trustedProxies = 0, forwarded } = bounds;
  const { refusalOf, hold } = createConnectionBounds({
    peers: noPeers,
    nodeMax: 0,
    addressMax,
    idleMax: 10,
    trustedProxies,
    metrics: createMetrics(),
    logger: { warn: () => undefined },
  });
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
  const request = { socket: { remoteAddress: address }, headers };
  const connection = { remoteAddress: address, request: { headers }, on: () => undefined };
  for (let held = 0; held <= 10_000; held += 1) {
    if (refusalOf(request as never) !== undefined) return held;
    hold(connection as unknown as Connection);
  }
  return 10_001;
}

test.each(['127.0.0.1', '10.1.2.3', '::ffff:192.168.0.1', 'fd00::1', '100.64.3.4'])(
  'clients behind a proxy at %s are not counted as one when TRUST_PROXY is unset',
  (address) => {
    expect(holdAll(address, {})).toBe(10_001);
    expect(holdAll(address, { addressMax: 7 })).toBe(7);
    expect(holdAll(address, { trustedProxies: 1, forwarded: '8.8.4.4' })).toBe(10_000);
  },
);

test('a public address has 10,000 connections, unless a number is set', () => {
  expect(holdAll('8.8.8.8', {})).toBe(10_000);
  expect(holdAll('8.8.8.8', { addressMax: 0 })).toBe(10_001);
});
