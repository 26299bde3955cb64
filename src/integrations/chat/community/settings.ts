import type { Types } from 'mongoose';
import type { Chat, ChatSetting } from '#shared/models/chat.js';

/** What a participant has of their own in a chat. */
export const settingOf = ({ participantSettings = [] }: Chat, user: Types.ObjectId): ChatSetting | undefined =>
  participantSettings.find((setting) => user.equals(setting.user));

/** What the participants of a chat have of their own in it, by user. For what is done for all of them. */
export const settingsOf = ({ participantSettings = [] }: Chat): ReadonlyMap<string, ChatSetting> =>
  // The first one counts, as in `settingOf`.
  new Map(participantSettings.toReversed().map((setting) => [String(setting.user), setting]));

/**
 * Whether a participant with this setting does not want to be notified of a chat.
 * @param now Unix time in milliseconds
 */
export function isMuted(setting: ChatSetting | undefined, now: number): boolean {
  if (setting?.mutedUntil != null) return setting.mutedUntil.getTime() > now;
  return setting?.isMuted === true;
}
