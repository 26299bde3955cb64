import type { IncomingMessage } from 'node:http';
import express, { type Request, type RequestHandler, type Response } from 'express';
import { GatewayError, invalid } from '../../errors.js';
import { ensureBoundedJson } from '../../platform/json-bounds.js';

/** Maximum number of form fields: the rooms of a message, and some more. */
const FORM_FIELDS_MAX = 5000;

/** JSON up to this size is not checked for its number of elements. */
const SURELY_CHEAP_BYTES = 128;

/** Bodies up to this size are not counted: what else a call holds is as much. */
const COUNTED_BYTES = 16_384;
/** Maximum total size of the counted bodies of calls that are not answered, as a multiple of the largest body. */
const HELD_MAX = 256;
/** When a refused caller may try again. */
const RETRY_MS = 1000;

/** The content type of most callers. */
const PLAIN_JSON = /^application\/json(?:; ?charset=utf-8)?$/i;

/** The accepted form of a body. */
interface BodyForm {
  /** Maximum number of array items and object members. */
  readonly elementsMax: number;
  /** Also accepts a form (`application/x-www-form-urlencoded`). */
  readonly takesForm: boolean;
}

/** A body that was read. */
interface Body {
  /** Parsed; `{}` without a body. */
  readonly value: unknown;
  /** To be called once, when the call is over. */
  readonly release: () => void;
}

/**
 * Reads the body of an authorized caller. Nothing of it is read, decompressed or parsed before.
 * @throws GatewayError `PAYLOAD_TOO_LARGE`, `VALIDATION_ERROR`, `RATE_LIMITED` while calls hold too much; an error of Express for an
 *   aborted request
 */
export type ReadBody = (request: Request, response: Response, form: BodyForm) => Promise<Body>;

/** @param limit the largest body in bytes, also after decompression */
export function createBodyReader(limit: number): ReadBody {
  const readBytes = express.raw({ limit, type: 'application/json' });
  const readForm = express.urlencoded({ limit, extended: true, parameterLimit: FORM_FIELDS_MAX });
  const hold = createBound(HELD_MAX * limit);
  return async function readRequestBody(request, response, { elementsMax, takesForm }) {
    const { headers } = request;
    const isChunked = headers['transfer-encoding'] !== undefined;
    const length = Number(headers['content-length'] ?? 0);
    if (!isChunked && length === 0) return { value: {}, release: nothing };
    // A compressed body is counted again while it is decompressed.
    if (length > limit) throw new GatewayError('PAYLOAD_TOO_LARGE');
    const whole = isChunked ? undefined : await readWhole(request, length);
    if (whole !== undefined) return hold(length, () => parseJson(whole, undefined, elementsMax));
    await pass(readBytes, request, response);
    if (request.body === undefined && takesForm) await pass(readForm, request, response);
    const { body } = request;
    if (body === undefined) throw invalid('', 'Content-Type must be application/json');
    if (!Buffer.isBuffer(body)) return hold(length, () => body);
    return hold(body.length, () => parseJson(body, headers['content-type'], elementsMax));
  };
}

const nothing = (): void => undefined;

/** Bounds what is held by calls that wait, as for a database that is slow: a caller may send any number at once. */
function createBound(maxBytes: number) {
  let held = 0;
  return function hold(bytes: number, parse: () => unknown): Body {
    if (bytes < COUNTED_BYTES) return { value: parse(), release: nothing };
    if (held + bytes > maxBytes) throw new GatewayError('RATE_LIMITED', { retryAfterMs: RETRY_MS });
    const value = parse();
    held += bytes;
    return {
      value,
      release() {
        held -= bytes;
      },
    };
  };
}

/**
 * Reads a body of plain JSON that has already arrived: most arrive in one packet with the headers.
 * @returns `undefined` for any other body, which the middleware reads
 */
async function readWhole(request: Request, length: number): Promise<Buffer | undefined> {
  const { 'content-type': type = '', 'content-encoding': encoding } = request.headers;
  if (encoding !== undefined || !PLAIN_JSON.test(type)) return undefined;
  // Node.js emits a request before it parses the body, even if both have arrived.
  await undefined;
  return request.complete && request.readableLength === length ? request.read() : undefined;
}

const pass = (middleware: RequestHandler, request: Request, response: Response): Promise<void> =>
  new Promise((resolve, reject) => {
    void middleware(request, response, (error?: unknown) => (error === undefined ? resolve() : reject(error)));
  });

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** JSON is UTF-8 (RFC 8259, 8.1); a byte order mark is skipped. */
function parseJson(bytes: Buffer, contentType = '', elementsMax: number): unknown {
  const [, charset = 'utf-8'] = /;\s*charset\s*=\s*"?([^\s;"]*)/i.exec(contentType) ?? [];
  if (charset.toLowerCase() !== 'utf-8') throw invalid('', 'the encoding of the body is not supported');
  if (bytes.length === 0) return {};
  const text = toText(bytes);
  if (bytes.length > SURELY_CHEAP_BYTES) ensureBoundedJson(text, elementsMax);
  try {
    return JSON.parse(text);
  } catch {
    throw invalid('', 'the body is not valid JSON');
  }
}

function toText(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw invalid('', 'the body is not valid UTF-8');
  }
}

/** Maximum size of the request's body; without a length, or compressed, it may be as large as any. */
export function bodyBytesOf({ headers }: IncomingMessage, maxBytes: number): number {
  if (headers['transfer-encoding'] !== undefined) return maxBytes;
  const length = Number(headers['content-length'] ?? 0);
  return headers['content-encoding'] === undefined ? Math.min(length, maxBytes) : maxBytes;
}
