import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { WebSocket } from 'ws';

/** A connection of Engine.IO that sends what it is told, exactly. */
export interface Wire {
  readonly isOpen: boolean;
  /** Why it ended, as far as the transport says. */
  readonly reason: string;
  /** Resolves when the connection has ended, by whichever side. */
  readonly closed: Promise<void>;
  send(...frames: (string | Buffer)[]): void;
  close(): void;
}

interface WireOptions {
  /** Of the node, as `http://host:port`. */
  url: string;
  query?: string;
  onFrame(frame: string): void;
}

/** Longer than a heartbeat, which answers a long poll. */
const CALL_TIMEOUT_MS = 60_000;

/** A websocket, which is also told what only websockets have. */
export interface WebsocketWire extends Wire {
  readonly socket: WebSocket;
}

/** Opens a websocket. It is in no namespace. */
export async function openWebsocket({ url, query = 'EIO=4', onFrame }: WireOptions): Promise<WebsocketWire> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?transport=websocket&${query}`);
  // An end by the gateway, in whatever form, is an outcome.
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

/** An answer over HTTP. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

/** A call over HTTP that says exactly what it is told. */
export interface HttpCall {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer | undefined;
  readonly timeoutMs?: number;
}

/** Keeps connections open between calls, as backends do. */
export const createAgent = (): Agent => new Agent({ keepAlive: true, maxSockets: 64 });

/** Calls. @returns `undefined` when the gateway closed the connection instead @throws Error when it did neither in time */
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
  /** Is notified of each answer, also of those that end the connection. */
  onAnswer(answer: HttpAnswer): void;
}

/** Opens a connection by long polling. It is in no namespace. */
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
  // One request to send at a time, as the protocol asks; what comes meanwhile goes together.
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

/** What fits into the body of one request. */
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
