import { crc32 } from 'node:zlib';
import type { LogFile } from './storage.js';

/**
 * The header of a frame. A frame contains the changes of one write and is read completely or not at all:
 *
 *     magic (4) · crc32 of the rest (4) · payload length (4) · durable size (8, a double) · payload
 *
 * The durable size is the length of the log that was known to be on disk when the frame was written. Damage before that
 * position is a loss of durable data. Damage after it is what a power failure can leave of the last writes.
 */
const HEADER_BYTES = 20;
const MAGIC = Buffer.from([0xe7, 0x47, 0x53, 0x0a]);
/** More than any command writes. A greater length is damage and must not be allocated. */
const MAX_PAYLOAD_BYTES = 1_000_000_000;
const READ_CHUNK_BYTES = 4 * 1024 * 1024;

/** Encodes a frame. */
export function encodeFrame(payload: readonly Uint8Array[], durableSize: number): Buffer {
  let length = 0;
  for (const part of payload) length += part.length;
  const frame = Buffer.allocUnsafe(HEADER_BYTES + length);
  MAGIC.copy(frame);
  frame.writeUInt32LE(length, 8);
  frame.writeDoubleLE(durableSize, 12);
  let offset = HEADER_BYTES;
  for (const part of payload) {
    frame.set(part, offset);
    offset += part.length;
  }
  frame.writeUInt32LE(crc32(frame.subarray(8)), 4);
  return frame;
}

/** A decoded frame. `byteLength` includes the header. */
interface Frame {
  readonly payload: Buffer;
  readonly byteLength: number;
  readonly durableSize: number;
}

/** Reads a file through a window, so that opening a log does not need memory for all of it. */
function createWindow(file: LogFile): (position: number, length: number) => Buffer {
  let start = 0;
  let bytes: Buffer = Buffer.alloc(0);
  return function readWindow(position, length) {
    if (position < start || position + length > start + bytes.length) {
      start = position;
      bytes = file.read(position, Math.max(length, READ_CHUNK_BYTES));
    }
    return bytes.subarray(position - start, position - start + length);
  };
}

function readFrameAt(read: (position: number, length: number) => Buffer, position: number): Frame | undefined {
  const header = read(position, HEADER_BYTES);
  if (header.length < HEADER_BYTES || header.compare(MAGIC, 0, 4, 0, 4) !== 0) return undefined;
  const length = header.readUInt32LE(8);
  if (length === 0 || length > MAX_PAYLOAD_BYTES) return undefined;
  const checksum = header.readUInt32LE(4);
  const durableSize = header.readDoubleLE(12);
  const body = read(position + 8, HEADER_BYTES - 8 + length);
  if (body.length < HEADER_BYTES - 8 + length || crc32(body) !== checksum) return undefined;
  return { payload: body.subarray(HEADER_BYTES - 8), byteLength: HEADER_BYTES + length, durableSize };
}

/** The result of reading a log. */
export interface ReadResult {
  /** The number of whole frames from the start, and their size. */
  readonly frameCount: number;
  readonly goodSize: number;
  /** Whether a later frame proves that the damaged part was on disk before. */
  readonly isPromisedDataLost: boolean;
}

/** Visits the payloads of all frames up to the first damaged one. */
export function readFrames(file: LogFile, visit: (payload: Buffer) => void): ReadResult {
  const read = createWindow(file);
  let position = 0;
  let frameCount = 0;
  for (;;) {
    const frame = readFrameAt(read, position);
    if (!frame) break;
    visit(frame.payload);
    position += frame.byteLength;
    frameCount += 1;
  }
  return { frameCount, goodSize: position, isPromisedDataLost: isDurableBeyond(file, position) };
}

function isDurableBeyond(file: LogFile, damagedAt: number): boolean {
  const read = createWindow(file);
  for (let position = damagedAt + 1; position < file.size; ) {
    const chunk = read(position, Math.min(READ_CHUNK_BYTES, file.size - position));
    const found = chunk.indexOf(MAGIC);
    if (found === -1) {
      // The magic can span two chunks.
      position += Math.max(1, chunk.length - MAGIC.length + 1);
      continue;
    }
    const frame = readFrameAt(read, position + found);
    if (frame && frame.durableSize > damagedAt) return true;
    position += found + (frame ? frame.byteLength : 1);
  }
  return false;
}
