import { createServer, type Server, type Socket } from 'node:net';
import type { Document } from '../bson/values.js';
import { createFramer } from './framing.js';
import { type Message, parseMessage } from './message.js';
import { encodeReply } from './reply.js';

/** What a connection is to the commands: something that has a number, and an end. */
export interface Connection {
  readonly id: number;
  /** The address the client dialled, as `hello` must name this node. */
  readonly localAddress: string;
}

/** Runs one command; it answers errors in the reply and throws only to end the connection. */
export type CommandHandler = (message: Message, connection: Connection) => Promise<Document> | Document;

/** Takes connections and their commands. */
export interface WireServer {
  listen(address: ListenAddress): Promise<ListenAddress>;
  /** Lets commands under way be answered, then ends every connection. */
  close(): Promise<void>;
}

/** A unix socket's path, or a TCP port (0: any free one). */
export type ListenAddress = { readonly path: string } | { readonly host: string; readonly port: number };

interface Events {
  onConnectionStart(connection: Connection): void;
  onConnectionEnd(connection: Connection): void;
  onProtocolError(error: Error): void;
}

/** A client with so many commands waiting is not read from until some of them are done. */
const MAX_QUEUED_MESSAGES = 64;

/** A server of the MongoDB wire protocol: commands of one connection run one after another, connections side by side. */
export function createWireServer(handle: CommandHandler, events: Events): WireServer {
  const sockets = new Map<Socket, () => Promise<void>>();
  let lastConnectionId = 0;

  const accept = (socket: Socket): void => {
    lastConnectionId += 1;
    const connection = { id: lastConnectionId, localAddress: addressOf(socket, server) };
    events.onConnectionStart(connection);
    sockets.set(socket, serve(socket, connection, { handle, events }));
    socket.on('close', () => {
      sockets.delete(socket);
      events.onConnectionEnd(connection);
    });
  };

  const server = createServer({ noDelay: true }, accept);
  return {
    listen: (address) => listen(server, address),
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await Promise.all([...sockets.values()].map((drain) => drain()));
      for (const socket of sockets.keys()) socket.destroySoon();
      await closed;
    },
  };
}

async function listen(server: Server, address: ListenAddress): Promise<ListenAddress> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const bound = server.address();
  return bound === null || typeof bound === 'string' || 'path' in address
    ? address
    : { host: address.host, port: bound.port };
}

function addressOf(socket: Socket, server: Server): string {
  const bound = server.address();
  return typeof bound === 'string' ? bound : `${socket.localAddress}:${socket.localPort}`;
}

interface Service {
  readonly handle: CommandHandler;
  readonly events: Events;
}

/** @returns a function that waits for the commands this connection has sent */
function serve(socket: Socket, connection: Connection, { handle, events }: Service): () => Promise<void> {
  const queue: Message[] = [];
  let isRunning = false;
  let drained = Promise.resolve();

  const answer = (message: Message, reply: Document): void => {
    if (message.isFireAndForget || socket.destroyed) return;
    if (!socket.write(encodeReply(message, reply)) && !socket.isPaused()) {
      socket.pause();
      socket.once('drain', () => socket.resume());
    }
  };

  const runQueue = async (): Promise<void> => {
    for (let message = queue.shift(); message; message = queue.shift()) {
      if (queue.length < MAX_QUEUED_MESSAGES && socket.isPaused() && !socket.writableNeedDrain) socket.resume();
      try {
        answer(message, await handle(message, connection));
      } catch (error) {
        socket.destroy(error as Error);
        return;
      }
    }
  };

  const run = (): void => {
    if (isRunning) return;
    isRunning = true;
    drained = runQueue().finally(() => {
      isRunning = false;
    });
  };

  const framer = createFramer((bytes) => {
    queue.push(parseMessage(bytes));
    if (queue.length >= MAX_QUEUED_MESSAGES) socket.pause();
    run();
  });

  socket.on('data', (chunk) => {
    try {
      framer(chunk);
    } catch (error) {
      socket.destroy(error as Error);
    }
  });
  socket.on('error', (error) => events.onProtocolError(error));
  return () => drained;
}
