import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { WebSocket } from 'ws';

/** An Engine.IO connection that sends given frames unchanged. */
export interface Wire {
  readonly isOpen: boolean;
  /** The reason of the close, if the transport has one. */
  readonly reason: string;
  /** Resolves when either side has closed the connection. */
  readonly closed: Promise<void>;
  send(...frames: (string | Buffer)[]): void;
  close(): void;
}

interface WireOptions {
  /** URL of the node: `http://host:port`. */
  url: string;
  query?: string;
  onFrame(frame: string): void;
}

/** Longer than a heartbeat interval, which ends a long poll. */
const CALL_TIMEOUT_MS = 60_000;

/** A WebSocket, with access to its frames. */
export interface WebsocketWire extends Wire {
  readonly socket: WebSocket;
}

/** Opens a WebSocket. It has joined no namespace. */
export async function openWebsocket({ url, query = 'EIO=4', onFrame }: WireOptions): Promise<WebsocketWire> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?transport=websocket&${query}`);
  // A close by the gateway is a valid outcome.
  socket.on('error', () => undefined);
  let reason = '';
  const closed = new Promise<void>((resolve) => {
    socket.once('close', (code, text) => {
      reason = `code ${code} ${text}`;
      resolve();
    });
  });
  socket.on('message', (data, isBinary) => {
    if (!isBinary) onFrame(String(data));
  });
  await Promise.race([once(socket, 'open'), closed]);
  return {
    socket,
    closed,
    get reason() {
      return reason;
    },
    get isOpen() {
      return socket.readyState === socket.OPEN;
    },
    send(...frames) {
      for (const frame of frames) if (socket.readyState === socket.OPEN) socket.send(frame);
    },
    close: () => socket.terminate(),
  };
}

const SEPARATOR = '\u001e';

/** An HTTP response. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

/** An HTTP request that is sent unchanged. */
export interface HttpCall {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer | undefined;
  readonly timeoutMs?: number;
}

/** Keeps connections alive, as backends do. */
export const createAgent = (): Agent => new Agent({ keepAlive: true, maxSockets: 64 });

/** Sends a request. @returns `undefined` when the gateway closed the connection @throws Error on time-out */
export function call(url: string, agent: Agent, options: HttpCall): Promise<HttpAnswer | undefined> {
  const { method, path, headers = {}, body, timeoutMs = CALL_TIMEOUT_MS } = options;
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const own = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const sent = request({ hostname, port, agent, method, path, headers: { ...own, ...headers } }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', () => resolve(undefined));
      response.on('end', () => {
        clearTimeout(timer);
        const text = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      });
    });
    const timer = setTimeout(() => {
      sent.destroy();
      reject(new Error(`no answer within ${timeoutMs} ms`));
    }, timeoutMs);
    sent.on('error', () => {
      clearTimeout(timer);
      resolve(undefined);
    });
    sent.end(body);
  });
}

interface PollingOptions extends WireOptions {
  /** Called with each response, also with those that end the connection. */
  onAnswer(answer: HttpAnswer): void;
}

/** Opens a long-polling connection. It has joined no namespace. */
export async function openPolling({ url, query = 'EIO=4', onFrame, onAnswer }: PollingOptions): Promise<Wire> {
  const agent = createAgent();
  const base = `/socket.io/?transport=polling&${query}`;
  let end = (_why: string): void => undefined;
  let isOpen = true;
  let reason = '';
  const closed = new Promise<void>((resolve) => {
    end = (why) => {
      isOpen = false;
      reason = why;
      resolve();
      agent.destroy();
    };
  });
  const exchange = async (path: string, body?: string): Promise<string | undefined> => {
    const headers = body === undefined ? {} : { 'content-type': 'text/plain;charset=UTF-8' };
    const method = body === undefined ? 'GET' : 'POST';
    try {
      const answer = await call(url, agent, { method, path, headers, body });
      if (answer !== undefined) onAnswer(answer);
      if (answer?.status === 200) return answer.text;
      end(`${method} was answered with ${answer?.status} ${answer?.text}`);
    } catch (error) {
      end(`${method}: ${error}`);
    }
    return undefined;
  };
  const opened = await exchange(base);
  const sid = /"sid":"([^"]+)"/.exec(opened ?? '')?.[1] ?? '';
  onFrame((opened ?? '').split(SEPARATOR)[0] ?? '');

  const poll = async (): Promise<void> => {
    while (isOpen) {
      const text = await exchange(`${base}&sid=${sid}`);
      for (const frame of text?.split(SEPARATOR) ?? []) {
        if (frame === '1') end('closed by the gateway');
        onFrame(frame);
      }
    }
  };
  const waiting: string[] = [];
  let isSending = false;
  // The protocol allows one POST at a time. Packets that are queued meanwhile share the next one.
  const sendWaiting = async (): Promise<void> => {
    isSending = true;
    while (isOpen && waiting.length > 0) await exchange(`${base}&sid=${sid}`, takePayload(waiting));
    isSending = false;
  };
  if (isOpen) void poll();
  return {
    closed,
    get reason() {
      return reason;
    },
    get isOpen() {
      return isOpen;
    },
    send(...frames) {
      for (const frame of frames) waiting.push(typeof frame === 'string' ? frame : `b${frame.toString('base64')}`);
      if (!isSending) void sendWaiting();
    },
    close() {
      if (isOpen) end('closed');
    },
  };
}

/** Maximum size of a request body, in characters. */
const PAYLOAD_MAX = 500_000;

function takePayload(waiting: string[]): string {
  const taken = [waiting.shift() ?? ''];
  let length = taken[0]?.length ?? 0;
  for (let [next] = waiting; next !== undefined && length + next.length < PAYLOAD_MAX; [next] = waiting) {
    length += next.length + 1;
    taken.push(waiting.shift() ?? '');
  }
  return taken.join(SEPARATOR);
}
