import { randomUUID } from 'node:crypto';
import { io, type Socket } from 'socket.io-client';

/** An event that a device received. */
export interface ReceivedEvent {
  readonly event: string;
  readonly args: readonly unknown[];
  readonly namespace: string;
  /** It waited for the device, and came in `_batch`. */
  readonly wasWaiting: boolean;
}

/** A device of a user. It acknowledges what it receives. */
export interface Device {
  readonly deviceId: string;
  readonly namespace: string;
  /** What it received so far, in order. */
  readonly events: readonly ReceivedEvent[];
  /** Emits an event. @returns its answer, a success or a failure */
  ask(event: string, ...args: readonly unknown[]): Promise<unknown>;
  /** Disconnects it. Durable messages wait for it; connect with the same `deviceId` to get them. */
  disconnect(): Promise<void>;
}

/** Where a device connects, and as whom. */
export interface DeviceOptions {
  readonly url: string;
  readonly namespace: string;
  readonly token: string;
  readonly deviceId?: string | undefined;
  /** Called after each event that it received. */
  onReceived(received: ReceivedEvent): void;
}

/** Time limit of connecting and of an answer. */
const TIME_LIMIT_MS = 30_000;

/** Connects a device. @throws Error when it is refused, with the reason */
export async function connectDevice({ url, namespace, token, onReceived, ...options }: DeviceOptions): Promise<Device> {
  const { deviceId = randomUUID() } = options;
  const socket = io(url + namespace, {
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
    timeout: TIME_LIMIT_MS,
    auth: { token, deviceId },
  });
  const events: ReceivedEvent[] = [];
  const keep = (event: string, args: readonly unknown[], wasWaiting: boolean): void => {
    const received = { event, args, namespace, wasWaiting };
    events.push(received);
    onReceived(received);
  };
  socket.onAny((event: string, ...all: unknown[]) => {
    const acknowledge = all.at(-1);
    const isAcknowledged = typeof acknowledge === 'function';
    const args = isAcknowledged ? all.slice(0, -1) : all;
    if (event === '_batch') for (const [name, ...inner] of args[0] as [string, ...unknown[]][]) keep(name, inner, true);
    else keep(event, args, false);
    if (isAcknowledged) acknowledge();
  });
  await connected(socket, namespace);
  return {
    deviceId,
    namespace,
    events,
    ask: (event, ...args) => socket.timeout(TIME_LIMIT_MS).emitWithAck(event, ...args),
    async disconnect() {
      if (!socket.connected) return;
      const gone = new Promise((resolve) => socket.once('disconnect', resolve));
      socket.disconnect();
      await gone;
    },
  };
}

async function connected(socket: Socket, namespace: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('connect_error', (error: Error & { data?: { message?: string } }) => {
      socket.disconnect();
      reject(new Error(`the gateway refused a connection to ${namespace}: ${error.data?.message ?? error.message}`));
    });
  });
}
