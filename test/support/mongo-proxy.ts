import { once } from 'node:events';
import { createServer, connect as dial, type Socket } from 'node:net';
import { deserialize, serialize } from 'bson';

/** A command, or the reply to one. */
export type Document = Record<string, unknown>;

/** What a proxy does with a command: nothing special, an answer of its own, or an end of the connection. */
type Verdict = Document | 'cut' | undefined;

/** What a proxy may do to the talk between a driver and a server. A test sets and replaces its parts at any time. */
export interface ProxyRules {
  /** Sees each command before the server. An answer or a cut keeps it from the server. */
  onCommand?: (command: Document) => Verdict | Promise<Verdict>;
  /** Sees each reply before the driver, which gets what this returns. A cut loses the reply: the command has been run. */
  onReply?: (reply: Document, command: Document) => Document | 'cut' | Promise<Document | 'cut'>;
}

/** A server of MongoDB's protocol that passes everything on to another one, by its rules. */
export interface MongoProxy {
  readonly host: string;
  /** @param options of the connection string, without `?` */
  url(options?: string): string;
  /** Set by tests. */
  rules: ProxyRules;
  /** Every command that drivers sent, in order. */
  readonly commands: Document[];
  /** Ends every connection. */
  cut(): void;
  close(): Promise<void>;
}

const OP_MSG = 2013;
const OP_QUERY = 2004;
const HEADER_BYTES = 16;

/** Starts a proxy on a loopback port, by default a free one, in front of the server at `target`: a URL with one host, without TLS. */
export async function startMongoProxy(
  target: string,
  firstRules: ProxyRules = {},
  listenPort = 0,
): Promise<MongoProxy> {
  const { hostname, port: targetPort, pathname, username, password, searchParams } = new URL(target);
  const credentials = username === '' ? '' : `${username}:${password}@`;
  const authSource = searchParams.get('authSource');
  const path = decodeURIComponent(hostname);
  const open = (): Socket => (path.startsWith('/') ? dial(path) : dial(Number(targetPort), path));
  const near = new Set<Socket>();
  const commands: Document[] = [];
  let host = '';

  /**
   * The server names itself; drivers must come back to the proxy. Without a version of its topology they ask again each
   * time, instead of leaving a call open that is answered more than once.
   */
  const rename = ({ topologyVersion: _, ...reply }: Document): Document =>
    reply['hosts'] === undefined ? reply : { ...reply, hosts: [host], me: host, primary: host };

  const server = createServer((socket) => {
    near.add(socket);
    const far = open();
    const asked = new Map<number, Document>();
    const end = (): void => {
      near.delete(socket);
      socket.destroy();
      far.destroy();
    };
    socket.on('error', () => undefined).on('close', end);
    far.on('error', () => undefined).on('close', end);
    // One after the other, so that rules that wait do not change the order.
    const inOrder = (handle: (message: Buffer) => Promise<void>) => {
      let last = Promise.resolve();
      return (message: Buffer): void => {
        last = last.then(() => handle(message)).catch(end);
      };
    };

    cutIntoMessages(
      socket,
      inOrder(async (message) => {
        const command = readMessage(message);
        const requestId = message.readInt32LE(4);
        commands.push(command);
        const verdict = await proxy.rules.onCommand?.(command);
        if (verdict === 'cut') return end();
        if (verdict !== undefined) return void socket.write(writeReply(verdict, message));
        asked.set(requestId, command);
        far.write(message);
      }),
    );
    cutIntoMessages(
      far,
      inOrder(async (message) => {
        const requestId = message.readInt32LE(8);
        const command = asked.get(requestId) ?? {};
        asked.delete(requestId);
        const reply = rename(readMessage(message));
        const changed = (await proxy.rules.onReply?.(reply, command)) ?? reply;
        if (changed === 'cut') return end();
        socket.write(
          writeMessage(changed, { like: message, requestId: message.readInt32LE(4), responseTo: requestId }),
        );
      }),
    );
  });
  server.listen(listenPort, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  host = `127.0.0.1:${address.port}`;

  const cut = (): void => {
    for (const socket of near) socket.destroy();
  };
  const proxy: MongoProxy = {
    host,
    url: (options = '') => {
      const query = [options, ...(authSource === null ? [] : [`authSource=${authSource}`])].filter(
        (part) => part !== '',
      );
      return `mongodb://${credentials}${host}${pathname}${query.length === 0 ? '' : `?${query.join('&')}`}`;
    },
    rules: firstRules,
    commands,
    cut,
    async close() {
      const closed = once(server, 'close');
      server.close();
      cut();
      await closed;
    },
  };
  return proxy;
}

/** The first key of a command is its name. */
export const nameOf = (command: Document): string => Object.keys(command)[0] ?? '';

function cutIntoMessages(socket: Socket, onMessage: (message: Buffer) => void): void {
  let bytes: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    while (bytes.length >= 4 && bytes.length >= bytes.readInt32LE(0)) {
      const length = bytes.readInt32LE(0);
      onMessage(bytes.subarray(0, length));
      bytes = bytes.subarray(length);
    }
  });
}

const bsonOptions = { promoteValues: true, promoteLongs: false } as const;

/** The document of a message: the body of an OP_MSG with its document sequences, or that of the first hello. */
function readMessage(message: Buffer): Document {
  const opCode = message.readInt32LE(12);
  if (opCode === OP_QUERY) return deserialize(message.subarray(message.indexOf(0, HEADER_BYTES + 4) + 9), bsonOptions);
  if (opCode !== OP_MSG) return deserialize(message.subarray(HEADER_BYTES + 20), bsonOptions);
  const document: Document = {};
  for (let at = HEADER_BYTES + 4; at < message.length; ) {
    const kind = message[at];
    const length = message.readInt32LE(at + 1);
    const section = message.subarray(at + 1, at + 1 + length);
    if (kind === 0) Object.assign(document, deserialize(section, bsonOptions));
    else Object.assign(document, readSequence(section));
    at += 1 + length;
  }
  return document;
}

function readSequence(section: Buffer): Document {
  const nameEnd = section.indexOf(0, 4);
  const documents: Document[] = [];
  for (let at = nameEnd + 1; at < section.length; at += section.readInt32LE(at)) {
    documents.push(deserialize(section.subarray(at, at + section.readInt32LE(at)), bsonOptions));
  }
  return { [section.toString('utf8', 4, nameEnd)]: documents };
}

/** The reply to a request, in the form that the request asks for. */
const writeReply = (reply: Document, request: Buffer): Buffer =>
  writeMessage(reply, { like: request, requestId: 0, responseTo: request.readInt32LE(4) });

function writeMessage(document: Document, header: { like: Buffer; requestId: number; responseTo: number }): Buffer {
  const isOpMsg = header.like.readInt32LE(12) === OP_MSG;
  const body = serialize(document, { ignoreUndefined: true });
  // Flags and the kind of the section; or flags, cursor, start and count of an OP_REPLY.
  const prefix = Buffer.alloc(isOpMsg ? 5 : 20);
  if (!isOpMsg) prefix.writeInt32LE(1, 16);
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeInt32LE(HEADER_BYTES + prefix.length + body.length, 0);
  head.writeInt32LE(header.requestId, 4);
  head.writeInt32LE(header.responseTo, 8);
  head.writeInt32LE(isOpMsg ? OP_MSG : 1, 12);
  return Buffer.concat([head, prefix, body]);
}
