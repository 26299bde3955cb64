import { cutText, jsonBytesOf } from '../text.js';

/** A notification for phones and browsers. */
export interface PushNotification {
  /** `''`: none. */
  readonly title: string;
  /** `''`: none. */
  readonly body: string;
  /** Strings only, as FCM requires. `id` identifies the message: a repeated notification replaces the earlier one. */
  readonly data: Readonly<Record<string, string>> & { readonly id: string };
}

/** FCM accepts 4096 bytes in all. How it counts is not documented, so this bounds the whole JSON, with a margin. */
export const MESSAGE_MAX_BYTES = 3840;
const TITLE_MAX_BYTES = 256;
const BODY_MAX_BYTES = 2048;

/** Truncates title and body to what FCM accepts, well-formed and between graphemes. The data is kept whole. */
export function toFitting({ title, body, data }: PushNotification): PushNotification {
  const fitting = { title: cutText(title, TITLE_MAX_BYTES, jsonBytesOf), body: '', data };
  const room = MESSAGE_MAX_BYTES - Buffer.byteLength(JSON.stringify(toMessage(fitting)));
  return { ...fitting, body: cutText(body, Math.max(0, Math.min(room, BODY_MAX_BYTES)), jsonBytesOf) };
}

/** Converts a notification to FCM's format, without the token. Empty texts are omitted. */
export function toMessage({ title, body, data }: PushNotification) {
  const shown = { ...(title === '' ? {} : { title }), ...(body === '' ? {} : { body }) };
  const isSilent = title === '' && body === '';
  return {
    data: { ...data },
    ...(isSilent ? {} : { notification: shown, webpush: { notification: { tag: data.id } } }),
  };
}
