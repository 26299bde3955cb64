import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import { signToken, type TestGateway } from './gateway.js';

/** A real client that keeps what it receives, so that a test may ask later than the event came. */
export interface TestClient {
  readonly socket: Socket;
  readonly id: string;
  /** Emits with an acknowledgement. */
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into an answer without declaring its form again
  ask(event: string, ...args: unknown[]): Promise<any>;
  /** The arguments of the next event of this name that has not been taken yet. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  next(event: string): Promise<any[]>;
  /** Events of this name that came and were not taken. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  received(event: string): any[][];
  /** Why the connection ended; resolves when it does. */
  readonly closed: Promise<string>;
  close(): void;
}

/** Where and as whom a client connects. */
export interface ClientOptions extends Partial<ManagerOptions & SocketOptions> {
  namespace?: string;
  /** Claims of a token of its own; `null`: no token. */
  claims?: Record<string, unknown> | null;
}

/** By default a client gives up a connection after 20 s, which one of hundreds takes on a loaded machine. */
export const CONNECT_LIMIT_MS = 3_600_000;

/** Opens a connection and does not wait for it. */
export function openSocket(gateway: Pick<TestGateway, 'url'>, options: ClientOptions = {}): Socket {
  const { namespace = '/v1/shared', claims = {}, ...rest } = options;
  return io(gateway.url + namespace, {
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
    timeout: CONNECT_LIMIT_MS,
    ...(claims === null ? {} : { auth: { token: signToken(claims) } }),
    ...rest,
  });
}

/** Connects. @throws the `connect_error` of a refusal */
export async function connect(gateway: Pick<TestGateway, 'url'>, options: ClientOptions = {}): Promise<TestClient> {
  const socket = openSocket(gateway, options);
  const client = toTestClient(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('connect_error', (error) => {
      socket.close();
      reject(error);
    });
  });
  return client;
}

/** The error that a refused connection gets. */
export async function refusal(
  gateway: Pick<TestGateway, 'url'>,
  options: ClientOptions = {},
): Promise<Error & { data?: unknown }> {
  const socket = openSocket(gateway, options);
  return new Promise((resolve, reject) => {
    socket.once('connect_error', (error) => {
      socket.close();
      resolve(error);
    });
    socket.once('connect', () => {
      socket.close();
      reject(new Error('the connection was accepted'));
    });
  });
}

function toTestClient(socket: Socket): TestClient {
  const queue: [string, unknown[]][] = [];
  const waiting = new Set<() => void>();
  socket.onAny((event: string, ...args: unknown[]) => {
    queue.push([event, args]);
    for (const look of [...waiting]) look();
  });
  const take = (event: string): unknown[] | undefined => {
    const index = queue.findIndex(([name]) => name === event);
    return index === -1 ? undefined : queue.splice(index, 1)[0]?.[1];
  };
  return {
    socket,
    get id() {
      return socket.id ?? '';
    },
    ask: (event, ...args) => new Promise((resolve) => socket.emit(event, ...args, resolve)),
    next: (event) =>
      new Promise((resolve) => {
        const look = (): void => {
          const args = take(event);
          if (args === undefined) return;
          waiting.delete(look);
          resolve(args);
        };
        waiting.add(look);
        look();
      }),
    received: (event) => queue.filter(([name]) => name === event).map(([, args]) => args),
    closed: new Promise((resolve) => socket.once('disconnect', resolve)),
    close: () => void socket.close(),
  };
}
