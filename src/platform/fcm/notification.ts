import { cutText, jsonBytesOf } from '../text.js';

/** What a phone or browser shows while the application is closed. */
export interface PushNotification {
  /** `''`: none. */
  readonly title: string;
  /** `''`: none. */
  readonly body: string;
  /** Strings only, as FCM has it. `id` names the message: should it be shown again, it takes its own place. */
  readonly data: Readonly<Record<string, string>> & { readonly id: string };
}

/** FCM takes 4096 bytes in all. It does not say how it counts, so this is the JSON of everything, with a margin. */
export const MESSAGE_MAX_BYTES = 3840;
const TITLE_MAX_BYTES = 256;
const BODY_MAX_BYTES = 2048;

/**
 * A notification that FCM accepts for any input text: well-formed, and cut between graphemes to what fits beside the
 * data, which stays as it is.
 */
export function toFitting({ title, body, data }: PushNotification): PushNotification {
  const fitting = { title: cutText(title, TITLE_MAX_BYTES, jsonBytesOf), body: '', data };
  const room = MESSAGE_MAX_BYTES - Buffer.byteLength(JSON.stringify(toMessage(fitting)));
  return { ...fitting, body: cutText(body, Math.max(0, Math.min(room, BODY_MAX_BYTES)), jsonBytesOf) };
}

/** A notification as FCM has it, without the token. What has no text is not shown. */
export function toMessage({ title, body, data }: PushNotification) {
  const shown = { ...(title === '' ? {} : { title }), ...(body === '' ? {} : { body }) };
  const isSilent = title === '' && body === '';
  return {
    data: { ...data },
    ...(isSilent ? {} : { notification: shown, webpush: { notification: { tag: data.id } } }),
  };
}
