/** What of a payload is shown by push: its `title`, and its `message` or `body`; `''` for what it lacks. */
export function toShown(payload: unknown): { title: string; body: string } {
  const { title, message, body } = Object(payload) as Record<string, unknown>;
  return { title: textOf(title), body: textOf([message, body].find((text) => typeof text === 'string')) };
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
