/**
 * The type under which a file is stored and served. Browsers guess it from the extension, so a claimed type is often wrong.
 * Files are served as downloads, without sniffing and in a sandbox, so the type only has to be harmless: the one detected
 * from the content; otherwise the claimed one, if nothing is executed under it; otherwise a generic one.
 */
import { fileTypeFromBuffer } from 'file-type';
import { invalid } from '../../../errors.js';
import { decodeText, headOf } from './text-content.js';

/** Types that browsers display as images and that cannot contain scripts. */
const IMAGES: readonly string[] = ['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif', 'image/bmp'];

/** Whether a type is that of an image. */
export const isImage = (type: string): boolean => IMAGES.includes(type);

/** The type and name that a client claims. */
export interface FileClaim {
  readonly mimeType?: string | undefined;
  readonly fileName?: string | undefined;
}

/** The generic type: browsers only save it. */
const BINARY = 'application/octet-stream';
const SVG = 'image/svg+xml';

/** Claimed image types that programs display automatically. All of them have a signature. */
const RASTER =
  /^image\/(?:(?:x-|vnd\.mozilla\.)?a?png|p?jpe?g|jfif|jxl|jp2|gif|webp|avif(?:-sequence)?|(?:x-|x-ms-|x-windows-)?bmp|tiff|hei[cf](?:-sequence)?|x-icon|vnd\.microsoft\.icon)$/;

/** Text types under which nothing is executed. */
const TEXTS = new Set([
  'text/plain',
  'text/csv',
  'text/tab-separated-values',
  'text/markdown',
  'text/x-markdown',
  'text/calendar',
  'text/vcard',
  'text/x-vcard',
  'text/vtt',
  'text/rtf',
  'text/x-log',
  'application/json',
  'application/x-subrip',
  'application/x-ndjson',
  'application/geo+json',
  'application/yaml',
  'application/toml',
  'application/sql',
]);
const TEXTS_OF_EXTENSIONS: Readonly<Record<string, string>> = {
  csv: 'text/csv',
  tsv: 'text/tab-separated-values',
  md: 'text/markdown',
  json: 'application/json',
  ics: 'text/calendar',
  vcf: 'text/vcard',
  vtt: 'text/vtt',
  srt: 'application/x-subrip',
};
/** The beginnings of formats that consist of text. */
const TEXT_SIGNATURES: readonly (readonly [RegExp, string])[] = [
  [/^%PDF-/, 'application/pdf'],
  [/^\{\\rtf/, 'application/rtf'],
  [/^%!PS/, 'application/postscript'],
  [/^BEGIN:VCALENDAR/i, 'text/calendar'],
  [/^BEGIN:VCARD/i, 'text/vcard'],
  [/^WEBVTT(?:\s|$)/, 'text/vtt'],
];
/** An SVG begins with its root element, after declarations, comments and a document type. */
const SVG_ROOT =
  /^(?:\s|<\?[^>]*\?>|<!--(?:(?!-->)[\s\S])*-->|<!DOCTYPE[^[>]*(?:\[[^\]]*\]\s*)?>)*<(?:\w+:)?svg[\s/>]/i;

const OOXML = 'application/vnd.openxmlformats-officedocument';
const ODF = 'application/vnd.oasis.opendocument';
/** Document types by their container type, which the content alone cannot distinguish. */
const CONTAINED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'application/zip': {
    docx: `${OOXML}.wordprocessingml.document`,
    xlsx: `${OOXML}.spreadsheetml.sheet`,
    pptx: `${OOXML}.presentationml.presentation`,
    odt: `${ODF}.text`,
    ods: `${ODF}.spreadsheet`,
    odp: `${ODF}.presentation`,
    odg: `${ODF}.graphics`,
    epub: 'application/epub+zip',
    kmz: 'application/vnd.google-earth.kmz',
  },
  'application/x-cfb': {
    doc: 'application/msword',
    xls: 'application/vnd.ms-excel',
    ppt: 'application/vnd.ms-powerpoint',
    msg: 'application/vnd.ms-outlook',
    vsd: 'application/vnd.visio',
    mpp: 'application/vnd.ms-project',
  },
};
/** Containers of both audio and video. A file in them is audio if it is claimed to be. */
const MEDIA_CONTAINERS = ['mp4', 'webm', 'ogg', 'matroska', '3gpp', 'quicktime', 'mpeg'];
/** Claimed types that are harmless for any content. */
const HARMLESS =
  /^(?:(?:audio|video|font)\/[\w.+-]{1,64}|application\/(?:ogg|msword|rtf|vnd\.ms-(?:excel|powerpoint)))$/;
/** Types that no plug-in or program executes. */
const ACTIVE = new Set(['application/x-shockwave-flash', 'application/xml', 'application/wasm', 'application/java-vm']);

/**
 * The type under which a file is served.
 * @throws GatewayError `VALIDATION_ERROR` for a claimed image whose content is not one
 */
export async function detectType(content: Uint8Array, { mimeType = '', fileName = '' }: FileClaim): Promise<string> {
  const claimed = toEssence(mimeType);
  const extension = /\.([a-z0-9]{1,8})$/i.exec(fileName)?.[1]?.toLowerCase() ?? '';
  const text = decodeText(content);
  const found = text === undefined ? await sniff(content, { claimed, extension }) : undefined;
  if (RASTER.test(claimed) && found?.startsWith('image/') !== true)
    throw invalid('1.mimeType', 'is not what the file holds');
  if (text !== undefined) return toTextType(text, { claimed, extension });
  if (found !== undefined) return toFoundType(found, { claimed, extension });
  if (headOf(content).includes('%PDF-')) return 'application/pdf';
  return HARMLESS.test(claimed) || TEXTS.has(claimed) ? claimed : BINARY;
}

/** A normalized claim. */
interface Claim {
  readonly claimed: string;
  readonly extension: string;
}

function toTextType(text: string, { claimed, extension }: Claim): string {
  const head = text.slice(0, HEAD_MAX);
  const signature = TEXT_SIGNATURES.find(([pattern]) => pattern.test(head));
  if (signature !== undefined) return signature[1];
  if ((claimed === SVG || extension === 'svg') && SVG_ROOT.test(head)) return SVG;
  return TEXTS.has(claimed) ? claimed : (TEXTS_OF_EXTENSIONS[extension] ?? 'text/plain');
}

/** Number of characters of a text that are examined. */
const HEAD_MAX = 16_384;

function toFoundType(found: string, { claimed, extension }: Claim): string {
  const contained = CONTAINED[found];
  if (contained !== undefined) {
    return Object.values(contained).includes(claimed) ? claimed : (contained[extension] ?? found);
  }
  const container = found.replace('video/', '');
  if (found.startsWith('video/') && claimed.startsWith('audio/') && MEDIA_CONTAINERS.includes(container)) {
    return `audio/${container}`;
  }
  // Animated PNG is displayed by every program that displays PNG.
  if (found === 'image/apng') return 'image/png';
  return ACTIVE.has(found) ? BINARY : found;
}

/** Detects the type by a signature. */
async function sniff(content: Uint8Array, claim: Claim): Promise<string | undefined> {
  // The library throws for some truncated files.
  const found = toEssence((await fileTypeFromBuffer(content).catch(() => undefined))?.mime ?? '');
  return found === '' || isByChance(found, content, claim) ? undefined : found;
}

/** Whether a signature is so short that files of any type may begin with it. */
function isByChance(found: string, content: Uint8Array, { claimed, extension }: Claim): boolean {
  const view = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  if (found === 'image/gif') return !/^GIF8[79]a$/.test(view.toString('latin1', 0, 6));
  if (found === 'image/bmp') return view.length < 18 || !BITMAP_HEADERS.includes(view.readUInt32LE(14));
  if (found === 'image/x-icon') return view.length < 6 || view.readUInt16LE(4) === 0;
  const isFrame = view[0] === 0xff && ((view[1] ?? 0) & 0xe0) === 0xe0;
  if (!found.startsWith('audio/') || !isFrame) return false;
  return !/^(?:audio|video)\//.test(claimed) && !/^(?:mp[123a]|mpga|m2a|aac)$/.test(extension);
}

/** The possible lengths of a bitmap's second header. */
const BITMAP_HEADERS = [12, 16, 40, 52, 56, 64, 108, 124];

/** A type without parameters; `''` for an invalid one. */
function toEssence(type: string): string {
  const [essence = ''] = type.toLowerCase().split(';');
  return /^[\w.+-]+\/[\w.+-]+$/.test(essence.trim()) ? essence.trim() : '';
}
