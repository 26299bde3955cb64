import { setTimeout as delay } from 'node:timers/promises';
import { io, type Socket } from 'socket.io-client';
import { signToken } from '../support/gateway.js';
import { until } from '../support/until.js';

/** A user with one device, which connects to another node when its own stops. */
export interface Traveller {
  readonly user: string;
  /** Numbers of durable messages, in the order in which they came; one can come again. */
  readonly durable: number[];
  /** Numbers of plain messages, in the order in which they came. */
  readonly plain: number[];
  /** Grows with each connect and each disconnect; odd while it is connected. */
  readonly epoch: number;
  connected(): Promise<void>;
  close(): void;
}

/** Time after which a client that could not connect tries the next node. */
const RETRY_MS = 20;

/** @param nodes base URLs of the nodes to which a load balancer would direct a client at that moment */
export function startTraveller(user: string, nodes: () => readonly string[]): Traveller {
  const [durable, plain]: [number[], number[]] = [[], []];
  let [epoch, tries, isClosed] = [0, user.length, false];
  let socket: Socket | undefined;
  const take = (number: number, acknowledge?: () => void): void => {
    durable.push(number);
    acknowledge?.();
  };
  const connect = (): void => {
    if (isClosed) return;
    const all = nodes();
    tries += 1;
    const current = io(`${all[tries % all.length]}/v1/shared`, {
      transports: ['websocket'],
      forceNew: true,
      reconnection: false,
      auth: { token: signToken({ uid: user }), deviceId: 'phone' },
    });
    socket = current;
    current.on('m', take);
    current.on('_batch', (events: [string, number][], acknowledge: () => void) => {
      for (const [, number] of events) take(number);
      acknowledge();
    });
    current.on('plain', (number: number) => plain.push(number));
    current.on('connect', () => {
      epoch += 1;
    });
    current.on('connect_error', () => void delay(RETRY_MS).then(connect));
    current.on('disconnect', () => {
      epoch += 1;
      connect();
    });
  };
  connect();
  return {
    user,
    durable,
    plain,
    get epoch() {
      return epoch;
    },
    connected: () => until(() => isOpen(epoch)),
    close() {
      isClosed = true;
      socket?.close();
    },
  };
}

/** Whether a traveller is connected in an epoch. */
export const isOpen = (epoch: number): boolean => epoch % 2 === 1;
