/** HTML that needs no more escaping. */
export interface Html {
  readonly html: string;
}

type Value = Html | string | number | undefined | false | readonly Value[];

/** A template of HTML. Escapes what is put into it, unless it is {@link Html}; `undefined` and `false` are left out. */
export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Html {
  return { html: String.raw({ raw: strings }, ...values.map(toText)) };
}

/** Text that is HTML already, such as a style sheet. */
export const raw = (text: string): Html => ({ html: text });

function toText(value: Value): string {
  if (value === undefined || value === false) return '';
  if (Array.isArray(value)) return value.map(toText).join('');
  return typeof value === 'object' ? (value as Html).html : escapeHtml(String(value));
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);

/** Text with its `code spans` as code. */
export const withCode = (text: string): Html =>
  raw(
    text
      .split('`')
      .map((part, index) => (index % 2 === 1 ? `<code>${escapeHtml(part)}</code>` : escapeHtml(part)))
      .join(''),
  );

/** Joins parts with a separator. */
export const join = (parts: readonly Html[], separator: string): Html =>
  raw(parts.map((part) => part.html).join(separator));
