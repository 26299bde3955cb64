import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { detectType, isImage } from '../../../../src/integrations/chat/support/content-type.js';
import { toDisposition, toSafeName } from '../../../../src/integrations/chat/support/file-name.js';
import {
  APNG,
  bitmap,
  compoundFile,
  mp4,
  mpegAudio,
  officeOpen,
  ogg,
  openDocument,
  PNG,
  riff,
  transportStream,
  utf16be,
  utf16le,
  webm,
  zip,
} from './file-types.js';

const JPEG = Buffer.from('ffd8ffe000104a46494600010100000100010000ffd9', 'hex');
const GIF = Buffer.from('GIF89a\x01\0\x01\0\0\0\0;', 'latin1');
const SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>';
const XML = '<?xml version="1.0" encoding="UTF-8"?>';
const CSV = 'name;price\r\nBMW;1200\r\nÄpfel;3\r\n';
const OOXML = 'application/vnd.openxmlformats-officedocument';
const ODF = 'application/vnd.oasis.opendocument';
const MP3 = Buffer.concat([Buffer.from('ID3\x04\0\0\0\0\0\0', 'latin1'), mpegAudio()]);
const EXCEL = 'application/vnd.ms-excel';

type Row = readonly [fileName: string, content: Buffer | string, claimed: readonly string[], served: string];

/** Types that Chrome, Firefox and Safari give to files of these names, on Windows, macOS or Linux; `''`: they know none. */
const everyday: readonly Row[] = [
  ['logo.svg', SVG, ['image/svg+xml'], 'image/svg+xml'],
  [
    'drawn.svg',
    `${XML}\n<!-- Drawn > by hand -->\n<!DOCTYPE svg PUBLIC "x" "y">\n${SVG}`,
    ['image/svg+xml'],
    'image/svg+xml',
  ],
  ['prefixed.svg', `${XML}<s:svg xmlns:s="http://www.w3.org/2000/svg"/>`, ['image/svg+xml', ''], 'image/svg+xml'],
  ['wide.svg', utf16le(SVG), ['image/svg+xml'], 'image/svg+xml'],
  ['logo.svgz', gzipSync(SVG), ['image/svg+xml', ''], 'application/gzip'],
  ['no.svg', '<html><script>alert(1)</script></html>', ['image/svg+xml'], 'text/plain'],
  ['shot.png', PNG, ['image/png', '', 'application/octet-stream'], 'image/png'],
  ['spinner.png', APNG, ['image/png', 'image/apng', 'image/vnd.mozilla.apng'], 'image/png'],
  ['really-a-jpeg.png', JPEG, ['image/png'], 'image/jpeg'],
  ['photo.jpg', JPEG, ['image/jpeg', 'image/pjpeg', 'image/jpg'], 'image/jpeg'],
  ['dance.gif', GIF, ['image/gif'], 'image/gif'],
  ['small.webp', Buffer.concat([riff('WEBPVP8 ')]), ['image/webp'], 'image/webp'],
  ['small.avif', mp4('avif'), ['image/avif'], 'image/avif'],
  ['old.bmp', bitmap(), ['image/bmp', 'image/x-ms-bmp'], 'image/bmp'],
  ['IMG_0001.HEIC', mp4('heic'), ['image/heic', '', 'image/heif'], 'image/heic'],
  ['IMG_0002.jpg', mp4('heic'), ['image/jpeg'], 'image/heic'],
  [
    'favicon.ico',
    Buffer.from('00000100010010100000010020006804', 'hex'),
    ['image/x-icon', 'image/vnd.microsoft.icon'],
    'image/x-icon',
  ],
  ['scan.tif', Buffer.from('49492a0008000000000000000000', 'hex'), ['image/tiff'], 'image/tiff'],
  [
    'texture.tga',
    Buffer.from('0000020000000000000000000100010018000000ff', 'hex'),
    ['image/x-tga', 'image/targa', ''],
    'application/octet-stream',
  ],
  ['main.ts', 'export const a = 1;\n', ['video/mp2t', 'video/vnd.dlna.mpeg-tts', ''], 'text/plain'],
  ['film.ts', transportStream(), ['video/mp2t'], 'video/mp2t'],
  ['app.js', 'alert(1)', ['text/javascript', 'application/javascript', 'application/x-javascript'], 'text/plain'],
  ['page.html', '<script>alert(1)</script>', ['text/html'], 'text/plain'],
  ['page.xhtml', `${XML}<html xmlns="http://www.w3.org/1999/xhtml"/>`, ['application/xhtml+xml'], 'text/plain'],
  ['feed.xml', `${XML}<rss/>`, ['text/xml', 'application/xml'], 'text/plain'],
  ['style.css', 'a { color: red }', ['text/css'], 'text/plain'],
  ['notes.md', '# Notes', ['text/markdown', ''], 'text/markdown'],
  ['notes.md', '# Notes', ['text/plain'], 'text/plain'],
  ['data.json', '{"a":1}', ['text/plain'], 'text/plain'],
  ['data.json', '{"a":1}', ['application/json', ''], 'application/json'],
  ['prices.csv', CSV, ['text/csv', EXCEL, ''], 'text/csv'],
  ['excel.csv', utf16le(CSV), ['text/csv', EXCEL, '', 'application/octet-stream'], 'text/csv'],
  ['excel.csv', utf16be(CSV), ['text/csv', EXCEL, ''], 'text/csv'],
  ['excel.csv', Buffer.from(CSV, 'latin1'), ['text/csv'], 'text/csv'],
  ['unicode.txt', utf16le('Grüße, 世界 😀\r\n'), ['text/plain', '', 'audio/mpeg'], 'text/plain'],
  ['bmw.txt', 'BMW, GIF, MZ and ID3', ['text/plain', ''], 'text/plain'],
  ['utf32.txt', Buffer.from('fffe00004100000042000000', 'hex'), ['text/plain'], 'text/plain'],
  ['utf32', Buffer.from('fffe00004100000042000000', 'hex'), [''], 'application/octet-stream'],
  ['build.log', '\u001b[31mfailed\u001b[0m\n', ['text/x-log'], 'text/x-log'],
  ['meeting.ics', 'BEGIN:VCALENDAR\r\nEND:VCALENDAR', ['text/calendar', ''], 'text/calendar'],
  ['ann.vcf', 'BEGIN:VCARD\r\nEND:VCARD', ['text/vcard', 'text/x-vcard', ''], 'text/vcard'],
  ['subtitles.vtt', 'WEBVTT\n\n', ['text/vtt', ''], 'text/vtt'],
  ['letter.rtf', '{\\rtf1 Hello}', ['application/rtf', 'text/rtf', 'application/msword'], 'application/rtf'],
  ['paper.pdf', '%PDF-1.7\n1 0 obj\nendobj\n%%EOF', ['application/pdf', '', 'application/x-pdf'], 'application/pdf'],
  ['binary.pdf', Buffer.from('%PDF-1.7\n%\xe2\xe3\xcf\xd3\n', 'latin1'), ['application/pdf'], 'application/pdf'],
  ['behind-junk.pdf', Buffer.from('\0\xff\0junk\n%PDF-1.4\n', 'latin1'), ['application/pdf'], 'application/pdf'],
  [
    'letter.docx',
    officeOpen('word/document.xml', `${OOXML}.wordprocessingml.document`),
    [`${OOXML}.wordprocessingml.document`, '', 'application/zip', 'application/octet-stream'],
    `${OOXML}.wordprocessingml.document`,
  ],
  [
    'table.xlsx',
    officeOpen('xl/workbook.xml', `${OOXML}.spreadsheetml.sheet`),
    [`${OOXML}.spreadsheetml.sheet`, ''],
    `${OOXML}.spreadsheetml.sheet`,
  ],
  [
    'odd.xlsx',
    zip({ 'other.xml': '<x/>' }),
    [`${OOXML}.spreadsheetml.sheet`, '', 'application/zip'],
    `${OOXML}.spreadsheetml.sheet`,
  ],
  ['letter.odt', openDocument(`${ODF}.text`), [`${ODF}.text`, '', 'application/zip'], `${ODF}.text`],
  ['book.epub', openDocument('application/epub+zip'), ['application/epub+zip', ''], 'application/epub+zip'],
  ['photos.zip', zip({ 'a.txt': 'a' }), ['application/zip', 'application/x-zip-compressed', ''], 'application/zip'],
  ['letter.doc', compoundFile(), ['application/msword', ''], 'application/msword'],
  ['table.xls', compoundFile(), [EXCEL, ''], EXCEL],
  [
    'backup.tar.gz',
    gzipSync('a'),
    ['application/gzip', 'application/x-gzip', 'application/x-compressed-tar'],
    'application/gzip',
  ],
  ['song.mp3', MP3, ['audio/mpeg', 'audio/mp3', ''], 'audio/mpeg'],
  ['bare.mp3', mpegAudio(), ['audio/mpeg', 'audio/mp3', ''], 'audio/mpeg'],
  ['voice.m4a', mp4('M4A'), ['audio/x-m4a', 'audio/mp4', 'audio/m4a', ''], 'audio/x-m4a'],
  ['voice.m4a', mp4('isom'), ['audio/mp4', 'audio/x-m4a'], 'audio/mp4'],
  ['film.mp4', mp4('isom'), ['video/mp4', ''], 'video/mp4'],
  ['film.mov', mp4('qt'), ['video/quicktime'], 'video/quicktime'],
  ['voice.ogg', ogg('\x01vorbis'), ['audio/ogg', 'application/ogg', 'video/ogg'], 'audio/ogg'],
  ['voice.opus', ogg('OpusHead'), ['audio/ogg', 'audio/opus', ''], 'audio/ogg'],
  ['clip.webm', webm(), ['video/webm', ''], 'video/webm'],
  ['recording.webm', webm(), ['audio/webm', 'audio/webm;codecs=opus'], 'audio/webm'],
  ['sound.wav', riff('WAVEfmt '), ['audio/wav', 'audio/x-wav', ''], 'audio/wav'],
  ['rare.amr', Buffer.from('\0\x01\x02\xff', 'latin1'), ['audio/amr'], 'audio/amr'],
  [
    'setup.exe',
    Buffer.from('MZ\x90\0\x03\0\0\0', 'latin1'),
    ['application/x-msdownload', ''],
    'application/x-msdownload',
  ],
  [
    'game.swf',
    Buffer.from('CWS\x0a\x01\0\0\0', 'latin1'),
    ['application/x-shockwave-flash'],
    'application/octet-stream',
  ],
  [
    'dump.bin',
    Buffer.from([0, 1, 2, 3]),
    ['', 'application/octet-stream', 'application/x-unheard-of', 'no type', 'text/html'],
    'application/octet-stream',
  ],
];

describe.each(everyday.map(([fileName, content, claims, served]) => ({ fileName, content, claims, served })))(
  '$fileName, served as $served',
  ({ fileName, content, claims, served }) => {
    test.each(claims.map((claim) => ({ claim })))('is accepted with the type "$claim"', async ({ claim }) => {
      expect(await detectType(Buffer.from(content as Buffer), { mimeType: claim, fileName })).toBe(served);
    });
  },
);

test('no file served as a displayable image can contain a script', () => {
  expect(['image/png', 'image/svg+xml', 'image/heic', 'text/plain'].map(isImage)).toEqual([true, false, false, false]);
});

describe('a claimed image that is not one', () => {
  const claims = [
    'image/png',
    'image/jpeg',
    'image/gif',
    'image/webp',
    'image/avif',
    'image/bmp',
    'image/heic',
    'IMAGE/PNG; x=1',
  ];
  const contents: readonly (readonly [string, Buffer])[] = [
    ['a page', Buffer.from('<html><script>alert(1)</script></html>')],
    ['an SVG', Buffer.from(SVG)],
    ['a page that begins like a GIF', Buffer.from('GIF89a<script>alert(1)</script>')],
    ['a page that begins like a bitmap', Buffer.from('BM<script>alert(1)</script>\0')],
    ['bytes that begin like a GIF', Buffer.from('GIF\0<script>', 'latin1')],
    ['a PDF', Buffer.from('%PDF-1.7\n')],
    ['a program', Buffer.from('MZ\x90\0\x03\0\0\0', 'latin1')],
    ['sound', MP3],
    ['zeros', Buffer.alloc(100)],
  ];
  test.each(contents)('is refused when it is %s', async (_name, content) => {
    for (const mimeType of claims) {
      await expect(detectType(content, { mimeType, fileName: 'x.png' })).rejects.toMatchObject({
        code: 'VALIDATION_ERROR',
        info: { details: [{ path: '1.mimeType', message: 'is not what the file holds' }] },
      });
    }
  });
});

test('truncated files are accepted with any claimed type', async () => {
  const files = everyday.map(([fileName, content]) => ({ fileName, content: Buffer.from(content as Buffer) }));
  for (const { fileName, content } of files) {
    for (const length of [1, 2, 3, 4, 8, 12, 20, 30, 40, 64, 100]) {
      const type = await detectType(content.subarray(0, length), { mimeType: 'application/x-unheard-of', fileName });
      expect(type, `${length} bytes of ${fileName}`).toMatch(/^[a-z]+\/[\w.+-]+$/i);
      expect(type).not.toMatch(/html|javascript|\/xml$/);
    }
  }
});

describe('a name', () => {
  test.each<[string, string]>([
    ['../../etc/Bild "ä".png', 'Bild "ä".png'],
    ['C:\\Users\\Ann\\photo.png', 'photo.png'],
    ['می\u200cخواهم.pdf', 'می\u200cخواهم.pdf'],
    ['👨\u200d👩\u200d👧.png', '👨\u200d👩\u200d👧.png'],
    [
      '🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}.png',
      '🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}.png',
    ],
    ['שלום\u200f.txt', 'שלום\u200f.txt'],
    ['photo\u202egnp.exe', 'photognp.exe'],
    ['\u2067photo\u2069.exe', 'photo.exe'],
    ['a\u0000b\nc\u2028d\u007f.txt', 'abcd.txt'],
    ['\ud800.txt', '\ufffd.txt'],
    ['new \u{1fae9}.png', 'new \u{1fae9}.png'],
    ['  spaced .txt ', 'spaced .txt'],
    ['.htaccess', '.htaccess'],
    ['\u0000', 'file'],
    ...['', '.', '..', '/', 'a/', '\u202e', '\u200d', ' \u200b.\ufeff '].map((none): [string, string] => [
      none,
      'file',
    ]),
  ])('%j becomes %j', (name, safe) => {
    expect(toSafeName(name)).toBe(safe);
  });

  test.each([
    ['letters', 'ä'.repeat(250), `${'ä'.repeat(125)}.png`],
    ['emojis of several people', '👨‍👩‍👧‍👦'.repeat(20), `${'👨‍👩‍👧‍👦'.repeat(10)}.png`],
    ['Chinese', '漢'.repeat(250), `${'漢'.repeat(83)}.png`],
  ])('of many %s is cut between characters, and keeps its extension', (_name, stem, safe) => {
    expect(toSafeName(`${stem}.png`)).toBe(safe);
    expect(Buffer.byteLength(toSafeName(`${stem}.png`))).toBeLessThanOrEqual(255);
  });

  test.each([
    ['plain.txt', `attachment; filename="plain.txt"; filename*=UTF-8''plain.txt`],
    [
      `it's "100%" (ä)*.txt`,
      `attachment; filename="it's _100__ (_)*.txt"; filename*=UTF-8''it%27s%20%22100%25%22%20%28%C3%A4%29%2A.txt`,
    ],
    [
      'می\u200cخواهم.pdf',
      `attachment; filename="________.pdf"; filename*=UTF-8''%D9%85%DB%8C%E2%80%8C%D8%AE%D9%88%D8%A7%D9%87%D9%85.pdf`,
    ],
    ['\ud800\r\nx', `attachment; filename="___x"; filename*=UTF-8''%EF%BF%BD%0D%0Ax`],
  ])('%j is sent as RFC 6266 has it', (name, header) => {
    expect(toDisposition(name)).toBe(header);
    const encoded = header.split("filename*=UTF-8''")[1] ?? '';
    expect(decodeURIComponent(encoded)).toBe(name.replace('\ud800', '\ufffd'));
  });
});
