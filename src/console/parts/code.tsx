import type { JSX } from 'preact';
import { useId } from 'preact/hooks';
import { CopyButton } from './copy.js';
import { Field } from './field.js';
import { parseJson } from './json.js';

/** A text to copy: a command, code, JSON. What is too wide scrolls, with the keyboard too. */
export function Code({ label, text }: { label: string; text: string }): JSX.Element {
  const id = useId();
  return (
    <section class="code" aria-labelledby={id}>
      <div class="code-head">
        <h3 id={id}>{label}</h3>
        <CopyButton text={text} label={label} />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard */}
      <pre tabIndex={0}>{text}</pre>
    </section>
  );
}

/** What {@link JsonField} edits. */
export interface JsonFieldProps {
  readonly label: string;
  readonly text: string;
  readonly setText: (text: string) => void;
  readonly hint?: string | undefined;
  readonly rows?: number;
}

/** A text area for JSON. It says what is wrong as long as it is not JSON. */
export function JsonField({ label, text, setText, hint, rows = 6 }: JsonFieldProps): JSX.Element {
  return (
    <Field label={label} error={parseJson(text).error} {...(hint === undefined ? {} : { hint })}>
      {(control) => (
        <textarea
          {...control}
          rows={rows}
          value={text}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
          spellcheck={false}
          autocomplete="off"
        />
      )}
    </Field>
  );
}

/** A sentence of the contracts, with its `code spans` as code. */
export function Marked({ text }: { text: string }): JSX.Element {
  return (
    <>{text.split('`').map((part, index) => (index % 2 === 1 ? <code key={`${index}${part}`}>{part}</code> : part))}</>
  );
}

/** `it was sent` → `It was sent.` */
export const toSentence = (text: string): string =>
  text === '' ? '' : `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
