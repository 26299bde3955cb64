/** A part of a list that fits into one call. */
export interface Chunk {
  /** Of its first item in the whole list. */
  readonly start: number;
  /** JSON of the items. */
  readonly items: readonly string[];
}

/** What one call may hold. */
export interface ChunkLimits {
  readonly itemsMax: number;
  readonly bytesMax: number;
}

const encoder = new TextEncoder();

/** Splits a list by number and size. An item that is too large by itself is a chunk of its own, for the gateway to refuse. */
export function toChunks(items: readonly string[], { itemsMax, bytesMax }: ChunkLimits): Chunk[] {
  const chunks: Chunk[] = [];
  let start = 0;
  let bytes = 0;
  items.forEach((item, index) => {
    // With the comma.
    const size = encoder.encode(item).length + 1;
    if (index > start && (index - start >= itemsMax || bytes + size > bytesMax)) {
      chunks.push({ start, items: items.slice(start, index) });
      start = index;
      bytes = 0;
    }
    bytes += size;
  });
  if (items.length > start) chunks.push({ start, items: items.slice(start) });
  return chunks;
}
