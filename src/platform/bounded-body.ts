/** Reads the body of a response. @returns `undefined`, without reading on, when it is larger than `maxBytes` */
export async function readBounded({ body }: Pick<Response, 'body'>, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
