import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Field } from './field.js';

interface SearchProps {
  readonly label: string;
  readonly hint: string;
  /** What the button does. */
  readonly action: string;
  /** What the form begins with. */
  readonly initial: string;
  readonly search: (text: string) => void;
}

/** A form with one text to search for. */
export function SearchForm({ label, hint, action, initial, search }: SearchProps): JSX.Element {
  const [text, setText] = useState(initial);
  const submit = (event: Event): void => {
    event.preventDefault();
    search(text.trim());
  };
  return (
    <form class="card search" onSubmit={submit}>
      <Field label={label} hint={hint}>
        {(control) => (
          <input
            {...control}
            type="search"
            autofocus
            autocomplete="off"
            spellcheck={false}
            maxLength={128}
            required
            value={text}
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
        )}
      </Field>
      <button type="submit" class="primary">
        {action}
      </button>
    </form>
  );
}
