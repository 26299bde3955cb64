/** Title and body of the push notification for a payload: its `title`, and its `message` or `body`; `''` if missing. */
export function toNotification(payload: unknown): { title: string; body: string } {
  const { title, message, body } = Object(payload) as Record<string, unknown>;
  return { title: textOf(title), body: textOf([message, body].find((text) => typeof text === 'string')) };
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
