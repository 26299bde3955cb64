import { pipeline } from 'node:stream/promises';
import type { Response } from 'express';
import type { support } from '#shared/contracts/support.js';
import type { RouteHandlers } from '../../../framework/routes.js';
import { toDisposition } from './file-name.js';
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
    readFile: async ({ principal, params, response }) => sendFile(response, await files.open(principal, params.id)),
  };
};

/**
 * Streams a file as a download, without type sniffing. A browser that opens it nevertheless does so in a sandbox that loads
 * nothing, so no script in it (as in an SVG) runs with the gateway's origin.
 */
async function sendFile(response: Response, { name, type, size, content }: Download): Promise<void> {
  response.setHeader('Content-Type', type);
  response.setHeader('Content-Length', size);
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
