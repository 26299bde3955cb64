import { PREFIX } from '../../api.js';
import type { Request } from './open-api.js';

/** An answer of a route as it came, a refusal too. */
export interface Answered {
  readonly status: number;
  readonly statusText: string;
  readonly type: string;
  readonly tookMs: number;
  readonly bytes: number;
  /** `undefined`: it is no text. JSON is made readable. */
  readonly text: string | undefined;
  /** Whether more came, or would have come. */
  readonly isCut: boolean;
}

/** What is read of an answer. */
const BYTES_MAX = 262_144;
/** Streams do not end by themselves. */
const STREAM_MS = 5000;

/**
 * Makes a request with the session of the console. Routes that take another credential get it by `credential`.
 * @throws when there is no answer
 */
export async function send({ method, path, headers, body }: Request, credential: string): Promise<Answered> {
  const startedAt = performance.now();
  const response = await fetch(path.startsWith(`${PREFIX}/`) ? path : PREFIX + path, {
    method,
    headers: { ...headers, 'x-console': '1', ...(credential === '' ? {} : { authorization: `Bearer ${credential}` }) },
    ...(body === undefined ? {} : { body }),
    cache: 'no-store',
  });
  const type = response.headers.get('content-type') ?? '';
  const { bytes, isCut } = await read(response, /ndjson/.test(type));
  return {
    status: response.status,
    statusText: response.statusText,
    type,
    isCut,
    tookMs: performance.now() - startedAt,
    bytes: bytes.byteLength,
    text:
      /json|text|xml/.test(type) || bytes.byteLength === 0 ? toReadable(new TextDecoder().decode(bytes)) : undefined,
  };
}

async function read(response: Response, isStream: boolean): Promise<{ bytes: Uint8Array; isCut: boolean }> {
  const reader = response.body?.getReader();
  if (reader === undefined) return { bytes: new Uint8Array(), isCut: false };
  const parts: Uint8Array[] = [];
  let length = 0;
  let isCut = false;
  const cut = (): void => {
    isCut = true;
    void reader.cancel();
  };
  const timer = isStream ? setTimeout(cut, STREAM_MS) : undefined;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    length += part.value.byteLength;
    if (length > BYTES_MAX) cut();
  }
  clearTimeout(timer);
  return { bytes: new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer()).slice(0, BYTES_MAX), isCut };
}

function toReadable(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
