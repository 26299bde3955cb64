import { io, type Socket } from 'socket.io-client';
import { signToken } from '../../support/gateway.js';

/** A device that comes back after each cut, and what reached its application, in order. */
export interface Survivor {
  readonly user: string;
  readonly received: number[];
  /** Cuts its TCP connection, as a bad network does; it connects again by itself. */
  cut(): void;
  close(): void;
}

/** Connects to the nodes in turn: what one of them lost, another one has to know. */
export function openSurvivor(user: string, urls: readonly string[]): Survivor {
  const received: number[] = [];
  let socket: Socket;
  let round = 0;
  let isClosed = false;
  const open = (): void => {
    if (isClosed) return;
    const url = urls[round % urls.length];
    round += 1;
    socket = io(`${url}/v1/shared`, {
      transports: ['websocket'],
      forceNew: true,
      reconnection: false,
      auth: { token: signToken({ uid: user }), deviceId: 'd' },
    });
    socket.on('m', (n: number, acknowledge: () => void) => {
      received.push(n);
      acknowledge();
    });
    socket.on('_batch', (events: [string, number][], acknowledge: () => void) => {
      for (const [, n] of events) received.push(n);
      acknowledge();
    });
    socket.once('disconnect', open);
    socket.once('connect_error', () => setTimeout(open, 50));
  };
  open();
  return {
    user,
    received,
    cut: () => {
      const { transport } = socket.io.engine as unknown as { transport?: { ws?: { terminate?(): void } } };
      transport?.ws?.terminate?.();
    },
    close() {
      isClosed = true;
      socket.close();
    },
  };
}

/** What the guarantee says of one device: all of it, in order but for what came again. */
export function judge(
  { received }: Pick<Survivor, 'received'>,
  count: number,
): { missing: number; repeated: number; disordered: number } {
  const seen = new Set<number>();
  let disordered = 0;
  let highest = 0;
  for (const n of received) {
    if (!seen.has(n) && n < highest) disordered += 1;
    seen.add(n);
    highest = Math.max(highest, n);
  }
  const missing = Array.from({ length: count }, (_, index) => index + 1).filter((n) => !seen.has(n)).length;
  return { missing, repeated: received.length - seen.size, disordered };
}
