import { toWellFormed } from '#shared/utilities/well-formed.js';
import { cutText, utf8BytesOf } from '../../../platform/text.js';

/** Maximum length in file systems. */
const NAME_MAX_BYTES = 255;

/**
 * A file name without folders, control characters, and direction overrides, which can disguise an extension. It is truncated
 * before its extension. `file` if nothing visible is left. Joiners are kept: Persian words and some emojis need them.
 */
export function toSafeName(name: string): string {
  const last = toWellFormed(name).split(/[/\\]/).at(-1) ?? '';
  const safe = last.replace(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu, '').trim();
  if (/^[\s.\p{Default_Ignorable_Code_Point}]*$/u.test(safe)) return 'file';
  const [extension = ''] = /\.[^.\s]{1,16}$/u.exec(safe) ?? [];
  const stem = safe.slice(0, safe.length - extension.length);
  return cutText(stem, NAME_MAX_BYTES - utf8BytesOf(extension), utf8BytesOf) + extension;
}

/** The `Content-Disposition` of a download (RFC 6266): the name in ASCII for old clients, and unchanged. */
export function toDisposition(name: string): string {
  const ascii = name.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  const encoded = encodeURIComponent(toWellFormed(name)).replace(
    /['()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
