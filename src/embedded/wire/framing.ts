/** What mongod takes in one message. A longer one ends its connection. */
export const MAX_MESSAGE_BYTES = 48_000_000;
const HEADER_BYTES = 16;

/** Thrown for bytes that are no message: the connection cannot go on, because nobody knows where the next one starts. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

/**
 * Cuts a stream of bytes into wire messages (little-endian length first).
 * @param onMessage - gets each whole message with its header; the buffer is the callee's to keep
 * @returns a function to hand every chunk to
 * @throws ProtocolError when a length is impossible
 */
export function createFramer(onMessage: (message: Buffer) => void): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let available = 0;
  let needed = HEADER_BYTES;

  const take = (length: number): Buffer => {
    const [first] = chunks;
    const joined = chunks.length === 1 && first ? first : Buffer.concat(chunks, available);
    const rest = joined.subarray(length);
    chunks = rest.length > 0 ? [rest] : [];
    available = rest.length;
    return joined.subarray(0, length);
  };

  const lengthOfNext = (): number => {
    if (chunks.length > 1 && (chunks[0]?.length ?? 0) < 4) chunks = [Buffer.concat(chunks, available)];
    const length = chunks[0]?.readInt32LE(0) ?? 0;
    if (length < HEADER_BYTES || length > MAX_MESSAGE_BYTES) throw new ProtocolError(`message of ${length} bytes`);
    return length;
  };

  return function pushChunk(chunk) {
    chunks.push(chunk);
    available += chunk.length;
    while (available >= needed) {
      needed = lengthOfNext();
      if (available < needed) return;
      const message = take(needed);
      needed = HEADER_BYTES;
      onMessage(message);
    }
  };
}
