import { crc32 } from 'node:zlib';

/** Files of everyday formats, each as small as a file of its format can be. */

/** A picture of one pixel. */
export const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

const pngChunk = (type: string, data: Buffer): Buffer => {
  const body = Buffer.concat([Buffer.from(type), data]);
  return Buffer.concat([u32(data.length), body, u32(crc32(body))]);
};

/** The same picture, of one frame. */
export const APNG = Buffer.concat([
  PNG.subarray(0, 33),
  pngChunk('acTL', Buffer.concat([u32(1), u32(0)])),
  PNG.subarray(33),
]);

/** A box of the ISO base media format. */
export const mp4 = (brand: string): Buffer =>
  Buffer.concat([
    u32(24),
    Buffer.from(`ftyp${brand.padEnd(4)}\0\0\0\0${brand.padEnd(4)}isom`),
    u32(8),
    Buffer.from('mdat'),
  ]);

export const riff = (form: string): Buffer =>
  Buffer.concat([Buffer.from('RIFF'), Buffer.from([36, 0, 0, 0]), Buffer.from(form), Buffer.alloc(32)]);

/** An archive of files that are not compressed. */
export function zip(files: Readonly<Record<string, string>>): Buffer {
  const [locals, centrals]: [Buffer[], Buffer[]] = [[], []];
  let offset = 0;
  for (const [path, content] of Object.entries(files)) {
    const [name, data] = [Buffer.from(path), Buffer.from(content)];
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt32LE(crc32(data), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(data.length, 18);
    common.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, name, data]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    centrals.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\0'), common, tail, name]));
    locals.push(local);
    offset += local.length;
  }
  const end = Buffer.alloc(18);
  const central = Buffer.concat(centrals);
  end.writeUInt16LE(locals.length, 4);
  end.writeUInt16LE(locals.length, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...locals, central, Buffer.from('PK\x05\x06'), end]);
}

/** An Office document, as Office writes it. */
export const officeOpen = (part: string, type: string): Buffer =>
  zip({
    '[Content_Types].xml': `<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/${part}" ContentType="${type}.main+xml"/></Types>`,
    '_rels/.rels': '<Relationships/>',
    [part]: '<document/>',
  });

/** An OpenDocument: the type comes first. */
export const openDocument = (type: string): Buffer => zip({ mimetype: type, 'content.xml': '<x/>' });

/** A compound file, as Office wrote it until 2003. */
export const compoundFile = (): Buffer =>
  Buffer.concat([Buffer.from('d0cf11e0a1b11ae1', 'hex'), Buffer.alloc(504), Buffer.alloc(512, 0xff)]);

export const bitmap = (): Buffer => {
  const bytes = Buffer.alloc(58);
  bytes.write('BM');
  bytes.writeUInt32LE(58, 2);
  bytes.writeUInt32LE(54, 10);
  bytes.writeUInt32LE(40, 14);
  return bytes;
};

/** One page of a container of sound or pictures that move. */
export const ogg = (codec: string): Buffer =>
  Buffer.concat([
    Buffer.from('OggS\0\x02'),
    Buffer.alloc(20),
    Buffer.from([1, codec.length]),
    Buffer.from(codec, 'latin1'),
    Buffer.alloc(32),
  ]);

/** EBML with its document type. */
export const webm = (): Buffer =>
  Buffer.concat([Buffer.from('1a45dfa38b', 'hex'), Buffer.from('4282847765626d', 'hex'), Buffer.alloc(16)]);

export const transportStream = (): Buffer => {
  const bytes = Buffer.alloc(3 * 188, 0xff);
  for (let packet = 0; packet < 3; packet += 1) bytes.write('\x47\x40\x00\x10', packet * 188, 'latin1');
  return bytes;
};

/** Frames of MPEG audio, without a tag before them. */
export const mpegAudio = (): Buffer => Buffer.concat([Buffer.from('fffb9064', 'hex'), Buffer.alloc(413)]);

export const utf16le = (text: string): Buffer => Buffer.from(`\ufeff${text}`, 'utf16le');
export const utf16be = (text: string): Buffer => utf16le(text).swap16();
