/** FCM takes 4096 bytes in all; these leave room for the rest. */
const TITLE_MAX_BYTES = 256;
const BODY_MAX_BYTES = 2048;

/** What of a payload is shown by push: its `title`, and its `message` or `body`; `''` for what it lacks. */
export function toShown(payload: unknown): { title: string; body: string } {
  const { title, message, body } = Object(payload) as Record<string, unknown>;
  const texts = [message, body].filter((text) => typeof text === 'string');
  return { title: cut(title, TITLE_MAX_BYTES), body: cut(texts[0], BODY_MAX_BYTES) };
}

/** As much of a text as fits, without half a character at the end. */
function cut(text: unknown, bytesMax: number): string {
  if (typeof text !== 'string') return '';
  const bytes = Buffer.from(text.slice(0, bytesMax)).subarray(0, bytesMax);
  // A decoder that expects more keeps an unfinished character to itself.
  return new TextDecoder().decode(bytes, { stream: true });
}
