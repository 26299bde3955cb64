/** The maximum message size, as in mongod. A longer message closes its connection. */
export const MAX_MESSAGE_BYTES = 48_000_000;
const HEADER_BYTES = 16;

/** Malformed bytes. The connection must be closed, because the start of the next message is unknown. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

/**
 * Splits a stream of bytes into wire messages, which start with their length.
 * @param onMessage - receives each complete message with its header, and can keep the buffer
 * @returns a function that takes the chunks of the stream and throws a ProtocolError for an invalid length
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
