import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { RequestHandler } from 'express';

/** The header that names a call in logs, answers and delivery records. */
export const REQUEST_ID = 'X-Request-Id';

/** UUIDs, trace ids, base64 and the like. Anything else is replaced, so an id can be shown and logged as it is. */
const VALID_ID = /^[\w.:+/=@-]{1,128}$/;

/** Takes the id that the caller sent, or makes one, and answers with it. Of several headers none is taken. */
export const identifyRequest: RequestHandler = ({ headers }, response, next) => {
  const { 'x-request-id': sent } = headers;
  response.setHeader(REQUEST_ID, typeof sent === 'string' && VALID_ID.test(sent) ? sent : randomUUID());
  next();
};

/** The id of the call that a response belongs to. */
export const requestIdOf = (response: Pick<ServerResponse, 'getHeader'>): string =>
  String(response.getHeader(REQUEST_ID) ?? '');
