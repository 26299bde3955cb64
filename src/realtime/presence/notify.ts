import type { PresenceStore } from './index.js';

/** A change of a user, and how it is sent. */
interface PresenceChange {
  readonly userId: string;
  /** Absent: what the store says. */
  readonly isOnline?: boolean;
  /** @returns whether something was sent */
  send(isOnline: boolean): Promise<boolean>;
}

/**
 * Sends whether a user is online, and sends it again if the store says otherwise afterwards. "First in" and "last out" are
 * decided in order, but by different nodes, so a slow node may send the earlier one last. The last that is sent is right:
 * what follows it in the store would be sent after it.
 */
export async function sendPresence(
  presence: Pick<PresenceStore, 'presentAmong'>,
  { userId, isOnline, send }: PresenceChange,
): Promise<void> {
  const read = async (): Promise<boolean> => (await presence.presentAmong([userId])).has(userId);
  let current = isOnline ?? (await read());
  for (let sent: boolean | undefined; sent !== current; current = await read()) {
    sent = current;
    if (!(await send(current))) return;
  }
}
