import { fileTypeFromBuffer } from 'file-type';
import { invalid } from '../../errors.js';

/** Types that browsers show as pictures and that can hold no script. */
const IMAGES: readonly string[] = ['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif', 'image/bmp'];

/** Whether a type is that of a picture. */
export const isImage = (type: string): boolean => IMAGES.includes(type);

/** Kinds of content that bear a signature, so that a claim can be held against it. */
const TELLING = /^(?:image|audio|video|font)\/|^application\/(?:pdf|zip|gzip)$/;

/**
 * What a file is, by its content alone: names and claims are the client's.
 * @param claimed what the client says it is
 * @throws GatewayError `VALIDATION_ERROR` when the content shows that the claim is wrong
 */
export async function detectType(content: Uint8Array, claimed: string | undefined): Promise<string> {
  const found =
    (await fileTypeFromBuffer(content))?.mime ?? (isText(content) ? 'text/plain' : 'application/octet-stream');
  const kind = claimed?.toLowerCase().split(';')[0]?.trim();
  if (kind !== undefined && TELLING.test(kind) && kindOf(kind) !== kindOf(found)) {
    throw invalid('1.mimeType', 'is not what the file holds');
  }
  return found;
}

/** Sound and pictures that move come in the same containers; there only the kind is compared, elsewhere the type. */
function kindOf(type: string): string {
  if (/^(?:audio|video)\//.test(type)) return 'media';
  return type.replace(/^image\/(?:jpg|pjpeg)$/, 'image/jpeg').replace(/^application\/x-(zip|gzip)$/, 'application/$1');
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function isText(content: Uint8Array): boolean {
  if (content.includes(0)) return false;
  try {
    utf8.decode(content);
    return true;
  } catch {
    return false;
  }
}

/** A name without folders and without characters that a reader does not see; `file` when nothing is left. */
export function toSafeName(name: string): string {
  const last = name.split(/[/\\]/).at(-1) ?? '';
  const visible = last.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '').trim();
  return /^\.*$/.test(visible) ? 'file' : visible;
}

/** The `Content-Disposition` of a download (RFC 6266): the name in ASCII for old clients, and as it is. */
export function toDisposition(name: string): string {
  const ascii = name.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  const encoded = encodeURIComponent(name).replace(
    /['()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
