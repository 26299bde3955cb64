import { expect } from 'vitest';
import type { TestEnvironment } from '../support/environment.js';
import type { TestGateway } from '../support/gateway.js';
import { until } from '../support/until.js';
import { type Application, openApplication } from './delivery/application.js';

/** What to run. */
export interface FailOverOptions {
  readonly environment: TestEnvironment;
  /** `REDIS_URL` of both gateways. */
  readonly url: string;
  /** Number of plain messages, and of durable ones. */
  readonly messages: number;
  /** Starts when a third of the messages is sent. Resolves when another server is the master. */
  failOver(): Promise<void>;
}

/** What was measured. */
export interface FailOverResult {
  readonly plainReceived: number;
  readonly plainLost: number;
  /** From the end of the fail-over until both nodes are ready and know the presence of all. */
  readonly recoveryMs: number;
}

const USERS = 10;

/** A user with one device, and the plain messages that it received. */
interface Recipient {
  readonly user: string;
  readonly device: Application;
  readonly plain: number[];
}

const lossesOf = async (node: TestGateway): Promise<number> =>
  Number(/^gateway_redis_publish_failures_total (\d+)$/m.exec((await node.call('GET', '/metrics')).text)?.[1]);
const range = (length: number): number[] => Array.from({ length }, (_, n) => n);

/**
 * Two gateways; one takes the calls, the other has the devices. Sends plain and durable messages during a fail-over, and
 * restarts nothing. Each durable message arrives once at each device, in the order of sending; each plain message arrives or
 * is counted as lost.
 */
export async function runFailOver(options: FailOverOptions): Promise<FailOverResult> {
  const { environment, url, messages, failOver } = options;
  const nodes = [
    await environment.startNode({ REDIS_URL: url }),
    await environment.startNode({ REDIS_URL: url }),
  ] as const;
  const [a, b] = nodes;
  const recipients: Recipient[] = [];
  for (const n of range(USERS)) {
    const user = `user-${n}`;
    const device = await openApplication(b, { user, deviceId: 'phone' });
    environment.defer(() => device.close());
    const plain: number[] = [];
    device.socket.on('plain', (number: number) => plain.push(number));
    recipients.push({ user, device, plain });
  }
  const emit = async (user: string, event: string, n: number): Promise<void> => {
    const { status, json } = await a.call('POST', `/emit/${user}/${event}`, JSON.stringify(n));
    expect(status, JSON.stringify(json)).toBe(200);
  };
  const arePresent = async (): Promise<boolean> => {
    for (const node of nodes) {
      if ((await node.call('GET', '/health/ready')).status !== 200) return false;
      for (const { user } of recipients) {
        const { json } = await node.call('GET', `/users/${user}/presence`);
        if (json.data?.connections !== 1) return false;
      }
    }
    return true;
  };
  await until(arePresent);
  const lossesBefore = await lossesOf(a);

  let sent = 0;
  let recovered: Promise<number> | undefined;
  const moveAndRecover = async (): Promise<number> => {
    await failOver();
    const movedAt = performance.now();
    await until(arePresent);
    return performance.now() - movedAt;
  };
  const each = messages / USERS;
  const sendAll = async ({ user }: Recipient): Promise<void> => {
    for (const n of range(each)) {
      sent += 1;
      if (sent >= messages / 3) recovered ??= moveAndRecover();
      await Promise.all([emit(user, 'm?durable=true', n), emit(user, 'plain', n)]);
    }
  };
  await Promise.all(recipients.map(sendAll));
  const recoveryMs = (await recovered) ?? Number.NaN;

  // What is sent now arrives after all that is on its way.
  await Promise.all(
    recipients.map(async ({ user, device, plain }) => {
      await device.has(each);
      await emit(user, 'plain', each);
      await until(() => plain.includes(each));
    }),
  );
  for (const { device, plain } of recipients) {
    expect(device.messages).toEqual(range(each));
    expect(plain).toEqual([...new Set(plain)].toSorted((x, y) => x - y));
  }
  const plainReceived = recipients.reduce((count, { plain }) => count + plain.length - 1, 0);
  const plainLost = (await lossesOf(a)) - lossesBefore;
  expect(plainReceived + plainLost).toBeGreaterThanOrEqual(messages);
  return { plainReceived, plainLost, recoveryMs };
}
