import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import { expect } from 'vitest';
import { CONNECT_LIMIT_MS } from '../../support/client.js';
import type { TestGateway, TestResponse } from '../../support/gateway.js';
import { until } from '../../support/until.js';

/** An application of a site's user that keeps what was delivered to it. */
export interface SiteClient {
  readonly socket: Socket;
  /** Everything in order: `[event, ...arguments]`, live and out of batches, without the acknowledgement. */
  readonly heard: unknown[][];
  /** The names of what came over the wire, in order. */
  readonly wire: string[];
  /** What the site said about itself. */
  readonly settings: unknown[];
  /** Waits until so many events of the site have come. */
  has(count: number): Promise<void>;
  /** Something that the gateway answers after all that it has sent so far. */
  ask(): Promise<unknown>;
  /** Acknowledges the message with this place in `heard`, which was held. */
  acknowledge(index: number): void;
  close(): void;
}

/** How an application connects. */
export interface SiteClientOptions extends Partial<ManagerOptions & SocketOptions> {
  token?: string;
  deviceId?: string;
  meta?: string;
  /** Acknowledges nothing by itself. */
  isHeld?: boolean;
}

/** Opens a connection as the documentation of the original has it, all in the URL, and does not wait for it. */
export function openSite(gateway: Pick<TestGateway, 'url'>, site: string, options: SiteClientOptions = {}): Socket {
  const { token, deviceId, meta, isHeld: _, ...rest } = options;
  const query = new URLSearchParams(JSON.parse(JSON.stringify({ token, deviceId, meta })));
  return io(`${gateway.url}/${site}?${query}`, {
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
    timeout: CONNECT_LIMIT_MS,
    ...rest,
  });
}

/** Connects. @throws the `connect_error` of a refusal */
export async function connectSite(
  gateway: Pick<TestGateway, 'url'>,
  site: string,
  options: SiteClientOptions = {},
): Promise<SiteClient> {
  const socket = openSite(gateway, site, options);
  const heard: unknown[][] = [];
  const wire: string[] = [];
  const settings: unknown[] = [];
  const acknowledgements: (() => void)[] = [];
  socket.on('_settings', (told: unknown) => settings.push(told));
  socket.onAny((event: string, ...args: unknown[]) => {
    wire.push(event);
    if (event.startsWith('_')) return;
    const last = args.at(-1);
    const acknowledge = typeof last === 'function' ? (last as () => void) : () => undefined;
    heard.push([event, ...(typeof last === 'function' ? args.slice(0, -1) : args)]);
    acknowledgements.push(acknowledge);
    if (options.isHeld !== true) acknowledge();
  });
  socket.on('_batch', (events: unknown[][], acknowledge: () => void) => {
    heard.push(...events);
    acknowledgements.push(...events.map(() => acknowledge));
    if (options.isHeld !== true) acknowledge();
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('connect_error', (error) => {
      socket.close();
      reject(error);
    });
  });
  return {
    socket,
    heard,
    wire,
    settings,
    has: (count) => until(() => heard.length >= count),
    ask: () => new Promise((resolve) => socket.emit('anything', resolve)),
    acknowledge: (index) => acknowledgements[index]?.(),
    close: () => void socket.close(),
  };
}

/** What a refused client is told; the connection is closed after that. */
export async function siteRefusal(
  gateway: Pick<TestGateway, 'url'>,
  site: string,
  options: SiteClientOptions = {},
): Promise<string> {
  const client = connectSite(gateway, site, options);
  return client.then(
    ({ socket }) => {
      socket.close();
      throw new Error('the connection was accepted');
    },
    (error: Error) => error.message,
  );
}

/** Sends as the website of a site does. */
export function sendTo(
  gateway: TestGateway,
  site: { name: string; key: string },
  message: Record<string, unknown>,
  query = '',
): Promise<TestResponse> {
  return gateway.call('POST', `/send?site=${site.name}&apiKey=${site.key}${query}`, message, { 'x-api-key': '' });
}

/** Sends, and expects that it was taken. */
export async function sent(...call: Parameters<typeof sendTo>): Promise<void> {
  const { status, text } = await sendTo(...call);
  expect([status, text]).toEqual([200, 'OK']);
}
