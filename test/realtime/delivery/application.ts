import { io, type Socket } from 'socket.io-client';
import { signToken, type TestGateway } from '../../support/gateway.js';
import { until } from '../../support/until.js';

/** An application that keeps what was delivered to it, as one written from the documentation would. */
export interface Application {
  readonly socket: Socket;
  /** Payloads of `m`, in the order in which they reached the application, live and in batches. */
  readonly messages: unknown[];
  /** Sizes of the batches. */
  readonly batches: number[];
  resyncs(): number;
  /** Waits until so many messages have come. */
  has(count: number): Promise<void>;
  /** Something that the gateway answers after all that it has sent so far. */
  ask(): Promise<unknown>;
  /** The mailbox knows this device. @param via the node that takes a probe; by default that of the device */
  ready(via?: TestGateway): Promise<void>;
  /** Acknowledges what was held, and from now on everything at once. */
  release(): void;
  close(): void;
}

/** How an application behaves. */
export interface ApplicationOptions {
  user: string;
  deviceId?: string;
  /** Never acknowledges. */
  isSilent?: boolean;
  /** Acknowledges nothing until it is told to. */
  isHeld?: boolean;
}

/** Connects an application to a node. */
export async function openApplication(gateway: TestGateway, options: ApplicationOptions): Promise<Application> {
  const { user, deviceId, isSilent = false } = options;
  const messages: unknown[] = [];
  const batches: number[] = [];
  let resyncs = 0;
  let held: (() => void)[] | undefined = options.isHeld === true ? [] : undefined;
  const settle = (acknowledge: () => void): void => {
    if (isSilent) return;
    if (held === undefined) acknowledge();
    else held.push(acknowledge);
  };

  const socket = io(`${gateway.url}/v1/shared`, {
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
    auth: { token: signToken({ uid: user }, { expiresIn: '30d' }), ...(deviceId === undefined ? {} : { deviceId }) },
  });
  socket.on('m', (payload: unknown, acknowledge?: () => void) => {
    messages.push(payload);
    if (acknowledge !== undefined) settle(acknowledge);
  });
  socket.on('_batch', (events: [string, unknown][], acknowledge: () => void) => {
    const own = events.filter(([name]) => name === 'm');
    if (own.length > 0) batches.push(own.length);
    for (const [, payload] of own) messages.push(payload);
    if (own.length === 0) acknowledge();
    else settle(acknowledge);
  });
  socket.on('_resync', () => {
    resyncs += 1;
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('connect_error', reject);
  });

  const ask = (): Promise<unknown> => new Promise((resolve) => socket.emit('join', {}, resolve));
  let probes = 0;
  return {
    socket,
    messages,
    batches,
    resyncs: () => resyncs,
    has: (count) => until(() => messages.length >= count),
    ask,
    async ready(via = gateway) {
      // A durable probe comes back to this device once its mailbox is open.
      probes += 1;
      const event = `probe_${probes}`;
      const back = new Promise<void>((resolve) => {
        socket.once(event, (_payload: unknown, acknowledge: () => void) => {
          acknowledge();
          resolve();
        });
        socket.on('_batch', (events: [string][]) => {
          if (events.some(([name]) => name === event)) resolve();
        });
      });
      await via.call('POST', `/emit/${user}/${event}?durable=true`, {});
      await back;
    },
    release() {
      for (const acknowledge of held ?? []) acknowledge();
      held = undefined;
    },
    close: () => void socket.close(),
  };
}
