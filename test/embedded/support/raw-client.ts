import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { deserialize, serialize } from 'bson';
import type { Document } from '../../../src/embedded/bson/values.js';

/** Encodes a command as an OP_MSG. */
export function opMsg(command: Document, { requestId = 7, flags = 0 } = {}): Buffer {
  const body = serialize(command);
  const bytes = Buffer.alloc(21 + body.length);
  bytes.writeInt32LE(bytes.length, 0);
  bytes.writeInt32LE(requestId, 4);
  bytes.writeInt32LE(2013, 12);
  bytes.writeUInt32LE(flags, 16);
  bytes.set(body, 21);
  return bytes;
}

export async function dial(path: string): Promise<Socket> {
  const socket = connect(path);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Receives the next complete message from a socket. */
export async function receive(socket: Socket): Promise<Buffer> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    bytes = Buffer.concat([bytes, chunk as Buffer]);
    if (bytes.length >= 4 && bytes.length >= bytes.readInt32LE(0)) return bytes;
  }
  throw new Error('the connection ended');
}

/**
 * Sends one command unchanged. A driver would add its own session and transaction number.
 * @returns the reply without its cluster time, which differs in each reply
 */
export async function sendRaw(path: string, command: Document): Promise<Document> {
  const socket = await dial(path);
  try {
    socket.write(opMsg({ ...command, $db: command['$db'] ?? 'test' }));
    const { operationTime: _, ...reply } = deserialize((await receive(socket)).subarray(21));
    return reply;
  } finally {
    socket.destroy();
  }
}
