import type { TestClient } from '../../support/client.js';

/** Who is online, as a client on `/` knows it. */
export interface PresenceState {
  /** `undefined`: the snapshot has not come. */
  online: Set<string> | undefined;
}

/** Follows who is online, from the connect on. */
export function followPresence(client: TestClient): PresenceState {
  const state: PresenceState = { online: undefined };
  const handlers = {
    presence_snapshot({ online }: { online: string[] }): void {
      state.online = new Set(online);
    },
    user_online: ({ userId }: { userId: string }) => void state.online?.add(userId),
    user_offline: ({ userId }: { userId: string }) => void state.online?.delete(userId),
  };
  for (const [name, handle] of Object.entries(handlers)) {
    // What came with the connect.
    for (const [payload] of client.received(name)) handle(payload);
    client.socket.on(name, handle);
  }
  return state;
}
