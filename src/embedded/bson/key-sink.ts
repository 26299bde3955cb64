/* The buffer in which keys are built. */

/** The size of the buffer that is reused. A buffer that grew beyond it is dropped after the key. */
const KEPT_BYTES = 64 * 1024;

/** Shared by all calls: building a key is synchronous. */
export const sink = { bytes: Buffer.allocUnsafeSlow(KEPT_BYTES), position: 0 };

/** The key that was built, one character per byte. */
export function takeKey(): string {
  const key = sink.bytes.toString('latin1', 0, sink.position);
  if (sink.bytes.length > KEPT_BYTES) sink.bytes = Buffer.allocUnsafeSlow(KEPT_BYTES);
  return key;
}

/** Ensures room for this many more bytes. */
export function reserve(byteLength: number): void {
  const needed = sink.position + byteLength;
  if (needed <= sink.bytes.length) return;
  const grown = Buffer.allocUnsafeSlow(Math.max(needed, sink.bytes.length * 2));
  sink.bytes.copy(grown, 0, 0, sink.position);
  sink.bytes = grown;
}

/** Inverts the bytes from a position to the end, which reverses their order. */
export function invertFrom(start: number): void {
  const { bytes, position } = sink;
  for (let index = start; index < position; index += 1) bytes[index] = 0xff - (bytes[index] as number);
}

/** Appends one byte. */
export function writeByte(byte: number): void {
  reserve(1);
  sink.bytes[sink.position] = byte;
  sink.position += 1;
}

/** Appends four bytes, big-endian. */
export function writeUint32(value: number): void {
  reserve(4);
  sink.position = sink.bytes.writeUInt32BE(value, sink.position);
}

/** Appends bytes unchanged. */
export function writeBytes(bytes: Uint8Array): void {
  reserve(bytes.length);
  sink.bytes.set(bytes, sink.position);
  sink.position += bytes.length;
}
