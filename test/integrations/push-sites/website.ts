import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

/** A call that a website got. */
interface WebsiteCall {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: string;
}

/** The website of a customer, over real HTTP: `GET /rooms` answers which rooms the holder of a token may enter. */
export interface Website {
  readonly url: string;
  /** Every call so far, in order of arrival. */
  readonly calls: WebsiteCall[];
  /** Calls to a path. */
  to(path: string): WebsiteCall[];
  /** The rooms of the holder of each token; a token without rooms is refused with 401. */
  readonly rooms: Map<string, unknown>;
  /** Answers in the place of the rooms; `undefined`: as usual. */
  answer: ((call: WebsiteCall, response: ServerResponse) => void) | undefined;
  close(): Promise<void>;
}

/** Opens a website on a free port. */
export async function openWebsite(): Promise<Website> {
  const calls: WebsiteCall[] = [];
  const rooms = new Map<string, unknown>();
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = '', url: path = '', headers } = request;
    const call = { method, path, headers, body: Buffer.concat(chunks).toString() };
    calls.push(call);
    if (website.answer !== undefined) return website.answer(call, response);
    if (method === 'PUT') return void response.end('{}');
    const token = headers.authorization?.replace(/^\S+ /, '') ?? '';
    if (!rooms.has(token)) response.statusCode = 401;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(rooms.get(token) ?? { error: 'no' }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  const website: Website = {
    url: `http://127.0.0.1:${address.port}`,
    calls,
    to: (wanted) => calls.filter(({ path }) => path === wanted),
    rooms,
    answer: undefined,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return website;
}
