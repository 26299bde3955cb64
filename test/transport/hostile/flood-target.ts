import { setImmediate } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { connect, type TestClient } from '../../support/client.js';
import { type GatewayProcess, startGatewayProcess } from '../../support/gateway-process.js';
import { until } from '../../support/until.js';
import { enterRaw, type RawConnection } from './raw-connection.js';

/** Maximum memory growth by a flood, which sends many times as much. */
const BOUND_BYTES = 24 * 2 ** 20;

/** A gateway in its own process. After each flood, another client must still be served. */
export interface FloodTarget {
  readonly gateway: GatewayProcess;
  /** Expects the memory of the process to return close to its value before the test. */
  expectBounded(): Promise<void>;
}

/** Starts the target for the tests of a file. @returns it, once the tests run */
export function useFloodTarget(env: Record<string, string> = {}): () => FloodTarget {
  let gateway: GatewayProcess | undefined;
  let bystander: TestClient | undefined;
  let before = 0;
  let round = 0;

  const running = (): GatewayProcess => {
    if (gateway === undefined) throw new Error('the gateway is started in beforeAll');
    return gateway;
  };
  const expectUnharmed = async (): Promise<void> => {
    round += 1;
    const event = `still_here_${round}`;
    expect(await running().ask('POST', `/emit/bystander/${event}`, { round })).toContain('"sockets":1');
    expect(await bystander?.next(event)).toEqual([{ round }]);
    expect(await running().ask('GET', '/status')).toContain('"success":true');
    expect([running().exit, running().stderr]).toEqual([undefined, '']);
  };
  beforeAll(async () => {
    // The bystander lives in the process that floods, which answers no heartbeat meanwhile.
    gateway = await startGatewayProcess({ PING_TIMEOUT_MS: '120000', ...env });
    bystander = await connect(gateway, { claims: { uid: 'bystander' } });
    // Warm-up: compiled code and filled caches are no leak.
    (await enterRaw(gateway, { claims: { uid: 'warm' } })).close();
    await expectUnharmed();
  });
  afterAll(async () => {
    bystander?.close();
    await gateway?.close();
  });
  beforeEach(async () => {
    before = await running().measure();
  });
  afterEach(expectUnharmed);

  return () => ({
    gateway: running(),
    expectBounded: () => expect.poll(async () => (await running().measure()) - before).toBeLessThan(BOUND_BYTES),
  });
}

/** Sends without reading, until the gateway closes the connection or has taken all. */
export async function sendUnread({ socket }: RawConnection, count: number, send: () => void): Promise<void> {
  socket.pause();
  for (let sent = 1; sent <= count && socket.readyState === socket.OPEN; sent += 1) {
    send();
    // Lets the event loop see the close of the connection.
    if (sent % 500 === 0) await setImmediate();
    if (socket.bufferedAmount <= 2 ** 20) continue;
    await until(() => socket.bufferedAmount < 2 ** 16 || socket.readyState !== socket.OPEN);
  }
}
