import { Encoder, PacketType } from 'socket.io-parser';
import { WebSocket } from 'ws';
import type { TestGateway } from '../support/gateway.js';

/** An event that is sent although the connect was refused. */
interface RawCall {
  readonly namespace: string;
  readonly departmentId: string;
  readonly token: string | undefined;
  readonly event: string;
  readonly args: readonly unknown[];
}

/** `code`: of the refused CONNECT; `undefined`: it was accepted. */
export interface RawResult {
  readonly code: string | undefined;
  readonly isAnswered: boolean;
}

const OTHER = '/v1/lead-finder';
const [CALL, BARRIER] = [7, 8];

/**
 * Sends CONNECT, waits for the answer, sends the event although it was refused, and then one on a namespace without
 * authentication, whose answer shows that the first was handled. A client library would not do that. The gateway may close the
 * connection instead.
 */
export function sendRaw({ url }: TestGateway, call: RawCall): Promise<RawResult> {
  const { namespace, departmentId, token, event, args } = call;
  const query = new URLSearchParams({ EIO: '4', transport: 'websocket', departmentId });
  const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?${query}`);
  const encoder = new Encoder();
  const send = (type: PacketType, nsp: string, data: unknown, id?: number): void => {
    for (const part of encoder.encode({ type, nsp, data, ...(id === undefined ? {} : { id }) })) {
      socket.send(typeof part === 'string' ? `4${part}` : part);
    }
  };
  const prefixOf = (type: PacketType, nsp: string): string => `4${type}${nsp === '/' ? '' : `${nsp},`}`;
  let code: string | undefined;
  let isAnswered = false;

  return new Promise((resolve, reject) => {
    const end = (): void => {
      socket.close();
      resolve({ code, isAnswered });
    };
    const insist = (): void => {
      send(PacketType.EVENT, namespace, [event, ...args], CALL);
      send(PacketType.CONNECT, OTHER, undefined);
    };
    const take = (packet: string): void => {
      if (packet.startsWith('0')) send(PacketType.CONNECT, namespace, { token });
      else if (packet.startsWith(prefixOf(PacketType.CONNECT_ERROR, namespace))) {
        const body = packet.slice(prefixOf(PacketType.CONNECT_ERROR, namespace).length);
        code = (JSON.parse(body) as { data?: { message?: string } }).data?.message ?? body;
        insist();
      } else if (packet.startsWith(prefixOf(PacketType.CONNECT, OTHER))) {
        send(PacketType.EVENT, OTHER, ['leave', { scraper_id: 'a-scraper-of-no-one' }], BARRIER);
      } else if (packet.startsWith(`${prefixOf(PacketType.ACK, OTHER)}${BARRIER}`)) end();
      else if (packet.startsWith(prefixOf(PacketType.CONNECT, namespace))) end();
      else if (packet.startsWith(`${prefixOf(PacketType.ACK, namespace)}${CALL}`)) isAnswered = true;
      else if (packet === '2') socket.send('3');
    };
    socket.on('message', (data: Buffer, isBinary) => isBinary || take(data.toString()));
    socket.on('close', () => resolve({ code, isAnswered }));
    socket.on('error', reject);
  });
}
