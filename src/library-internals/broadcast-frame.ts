import type { Namespace } from 'socket.io';

/** Created by the adapter once for all receivers of a broadcast; without a frame for binary payloads. */
interface BroadcastOptions {
  wsPreEncodedFrame?: Buffer[];
}

/** Private. If it is renamed, broadcasts are slower. */
interface Encoding {
  _encode?(packet: unknown, options: BroadcastOptions): unknown;
}

/**
 * Joins the websocket frame of a broadcast into one buffer. Socket.IO encodes it once for all receivers, but as two buffers, head
 * and payload, so each receiver costs two writes.
 */
export function joinBroadcastFrames({ adapter }: Pick<Namespace, 'adapter'>): void {
  const encoding = adapter as unknown as Encoding;
  const encode = encoding._encode;
  if (encode === undefined) return;
  encoding._encode = (packet, options) => {
    const encoded = encode.call(adapter, packet, options);
    if (options.wsPreEncodedFrame !== undefined) options.wsPreEncodedFrame = [Buffer.concat(options.wsPreEncodedFrame)];
    return encoded;
  };
}
