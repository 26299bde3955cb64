import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import type { support } from '#shared/contracts/support.js';
import type { RouteHandlers } from '../../../framework/routes.js';
import { toDisposition } from './file-name.js';
import type { Part } from './file-store.js';
import type { Download } from './files.js';
import type { SupportServices } from './service.js';

/** Default page size. */
const PAGE = 50;

/** The routes of the support chat. They use the same services as the events. */
export const createRoutes = (services: SupportServices): RouteHandlers<typeof support> => {
  const { send, messages, create, conversations, assignment, files } = services;
  return {
    createConversation: ({ principal, body }) => create(principal, body),
    listConversations: ({ principal, query }) =>
      conversations.list(principal, { ...query, limit: Number(query.limit ?? PAGE) }),
    listMessages: ({ principal, params, query }) =>
      messages.list(principal, { ...query, conversationId: params.id, limit: Number(query.limit ?? PAGE) }),
    sendMessage: ({ principal, params, body }) => send(principal, { ...body, conversationId: params.id }),
    assignConversation: ({ principal, params, body }) =>
      assignment.assign(principal, { ...body, conversationId: params.id }),
    closeConversation: ({ principal, params }) => assignment.close(principal, { conversationId: params.id }),
    listDepartments: ({ principal }) => conversations.departments(principal),
    readFile: async ({ principal, params, response }) =>
      sendFile(response, await files.open(principal, params.id, (size) => partOf(response.req, size))),
  };
};

/**
 * What a request wants of a file, as players of videos ask. Anything but one range is answered with the whole file, which HTTP
 * allows. Nothing is known that `If-Range` could name.
 */
function partOf(request: Request, size: number): Part | undefined {
  if (request.headers['if-range'] !== undefined) return undefined;
  const ranges = request.range(size);
  if (typeof ranges !== 'object' || ranges.type !== 'bytes' || ranges.length !== 1) return undefined;
  const [{ start, end } = { start: 0, end: size - 1 }] = ranges;
  return { start, end: end + 1 };
}

/**
 * Streams a file as a download, without type sniffing. A browser that opens it nevertheless does so in a sandbox that loads
 * nothing, so no script in it (as in an SVG) runs with the gateway's origin.
 */
async function sendFile(response: Response, { name, type, size, part, content }: Download): Promise<void> {
  response.setHeader('Content-Type', type);
  response.setHeader('Accept-Ranges', 'bytes');
  if (part !== undefined) {
    response.status(206).setHeader('Content-Range', `bytes ${part.start}-${part.end - 1}/${size}`);
  }
  response.setHeader('Content-Length', part === undefined ? size : part.end - part.start);
  response.setHeader('Content-Disposition', toDisposition(name));
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Content-Security-Policy', "default-src 'none'; sandbox");
  try {
    await pipeline(content(), response);
  } catch (error) {
    // A client that disconnects during the download is no error.
    if (!response.destroyed || !isPrematureClose(error)) throw error;
  }
}

const isPrematureClose = (error: unknown): boolean =>
  (error as { code?: unknown } | null)?.code === 'ERR_STREAM_PREMATURE_CLOSE';
