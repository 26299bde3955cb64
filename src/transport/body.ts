import express, { type Request, type RequestHandler, type Response } from 'express';
import { GatewayError, invalid } from '../errors.js';
import { ensureBoundedJson } from '../platform/json-bounds.js';

/** Fields of a form: as many as a message has rooms, and some. */
const FORM_FIELDS_MAX = 5000;

/** JSON of so few bytes needs no look at its elements. */
const SURELY_CHEAP_BYTES = 128;

/** What most callers say of their bodies. */
const PLAIN_JSON = /^application\/json(?:; ?charset=utf-8)?$/i;

/** How a body may look. */
export interface BodyForm {
  /** Items of lists and members of objects, together. */
  readonly elementsMax: number;
  /** It may be a form (`application/x-www-form-urlencoded`) too. */
  readonly takesForm: boolean;
}

/**
 * Reads a body of a caller who may call: nothing of it is read, unfolded or parsed before.
 * @returns the parsed body; `{}` when there is none
 * @throws GatewayError `PAYLOAD_TOO_LARGE`, `VALIDATION_ERROR`, or what Express throws for one that breaks off
 */
export type ReadBody = (request: Request, response: Response, form: BodyForm) => Promise<unknown>;

/** @param limit the largest body in bytes, also when it is unfolded */
export function createBodyReader(limit: number): ReadBody {
  const readBytes = express.raw({ limit, type: 'application/json' });
  const readForm = express.urlencoded({ limit, extended: true, parameterLimit: FORM_FIELDS_MAX });
  return async (request, response, { elementsMax, takesForm }) => {
    const { headers } = request;
    const isChunked = headers['transfer-encoding'] !== undefined;
    const length = Number(headers['content-length'] ?? 0);
    if (!isChunked && length === 0) return {};
    // What is compressed is counted once more while it unfolds.
    if (length > limit) throw new GatewayError('PAYLOAD_TOO_LARGE');
    const whole = isChunked ? undefined : await readWhole(request, length);
    if (whole !== undefined) return parseJson(whole, undefined, elementsMax);
    await pass(readBytes, request, response);
    if (request.body === undefined && takesForm) await pass(readForm, request, response);
    const { body } = request;
    if (body === undefined) throw invalid('', 'Content-Type must be application/json');
    return Buffer.isBuffer(body) ? parseJson(body, headers['content-type'], elementsMax) : body;
  };
}

/**
 * A body of plain JSON that has arrived as a whole: most come in one packet with the headers.
 * @returns `undefined` for any other, which is left to the middleware
 */
async function readWhole(request: Request, length: number): Promise<Buffer | undefined> {
  const { 'content-type': type = '', 'content-encoding': encoding } = request.headers;
  if (encoding !== undefined || !PLAIN_JSON.test(type)) return undefined;
  // Node.js announces a request before it looks at the body, even if it has both.
  await undefined;
  return request.complete && request.readableLength === length ? request.read() : undefined;
}

const pass = (middleware: RequestHandler, request: Request, response: Response): Promise<void> =>
  new Promise((resolve, reject) => {
    void middleware(request, response, (error?: unknown) => (error === undefined ? resolve() : reject(error)));
  });

const utf8 = new TextDecoder();

/** JSON is UTF-8 (RFC 8259, 8.1); a byte order mark is passed over. */
function parseJson(bytes: Buffer, contentType = '', elementsMax: number): unknown {
  const [, charset = 'utf-8'] = /;\s*charset\s*=\s*"?([^\s;"]*)/i.exec(contentType) ?? [];
  if (charset.toLowerCase() !== 'utf-8') throw invalid('', 'the encoding of the body is not supported');
  if (bytes.length === 0) return {};
  const text = utf8.decode(bytes);
  if (bytes.length > SURELY_CHEAP_BYTES) ensureBoundedJson(text, elementsMax);
  try {
    return JSON.parse(text);
  } catch {
    throw invalid('', 'the request cannot be parsed');
  }
}
