/* Where the bytes of a key are gathered. */

/** What is kept between two keys; more was for one large value. */
const KEPT_BYTES = 64 * 1024;

/** One for all: making a key is never interrupted. */
export const sink = { bytes: Buffer.allocUnsafeSlow(KEPT_BYTES), position: 0 };

/** The key that was written. */
export function takeKey(): string {
  const key = sink.bytes.toString('latin1', 0, sink.position);
  if (sink.bytes.length > KEPT_BYTES) sink.bytes = Buffer.allocUnsafeSlow(KEPT_BYTES);
  return key;
}

/** Makes room for so many bytes more. */
export function reserve(byteLength: number): void {
  const needed = sink.position + byteLength;
  if (needed <= sink.bytes.length) return;
  const grown = Buffer.allocUnsafeSlow(Math.max(needed, sink.bytes.length * 2));
  sink.bytes.copy(grown, 0, 0, sink.position);
  sink.bytes = grown;
}

/** Turns around the order of what was written from a position on. */
export function invertFrom(start: number): void {
  const { bytes, position } = sink;
  for (let index = start; index < position; index += 1) bytes[index] = 0xff - (bytes[index] as number);
}

/** One byte. */
export function writeByte(byte: number): void {
  reserve(1);
  sink.bytes[sink.position] = byte;
  sink.position += 1;
}

/** Four bytes, the highest first. */
export function writeUint32(value: number): void {
  reserve(4);
  sink.position = sink.bytes.writeUInt32BE(value, sink.position);
}

/** Bytes as they are. */
export function writeBytes(bytes: Uint8Array): void {
  reserve(bytes.length);
  sink.bytes.set(bytes, sink.position);
  sink.position += bytes.length;
}
