import type { Socket } from 'socket.io';
import { type WebSocketLike, websocketOf } from './frame-limit.js';
import { closeGoingAway } from './going-away.js';

/** Ends a connection without waiting for its client: closing a websocket in good order may take half a minute. */
export function cutConnection(connection: Socket['conn']): void {
  closeGoingAway(connection, true);
  websocketOf<WebSocketLike & { terminate(): void }>(connection)?.terminate();
}
