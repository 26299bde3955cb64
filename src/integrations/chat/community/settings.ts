import type { Types } from 'mongoose';
import type { Chat, ChatSetting } from '#shared/models/chat.js';

/** What a participant has of their own in a chat. */
export const settingOf = ({ participantSettings = [] }: Chat, user: Types.ObjectId): ChatSetting | undefined =>
  participantSettings.find((setting) => user.equals(setting.user));

/**
 * Whether a participant does not want to be notified of a chat.
 * @param now Unix time in milliseconds
 */
export function isMuted(chat: Chat, user: Types.ObjectId, now: number): boolean {
  const setting = settingOf(chat, user);
  if (setting?.mutedUntil != null) return setting.mutedUntil.getTime() > now;
  return setting?.isMuted === true;
}
