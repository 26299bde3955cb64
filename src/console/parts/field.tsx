import type { Signal } from '@preact/signals';
import type { ComponentChildren, JSX } from 'preact';
import { useId } from 'preact/hooks';

/** What a control of a form gets, so that its label, hint and error belong to it. */
interface ControlProps {
  readonly id: string;
  readonly 'aria-describedby': string | undefined;
  readonly 'aria-invalid': boolean | undefined;
}

/** A field of a form. */
export interface FieldProps {
  readonly label: string;
  readonly hint?: ComponentChildren;
  readonly error?: string | undefined;
  /** Draws the control: an input, a select, a text area. */
  readonly children: (control: ControlProps) => ComponentChildren;
}

/** A labelled control, with a hint and an error. */
export function Field({ label, hint, error, children }: FieldProps): JSX.Element {
  const id = useId();
  const note = `${id}-note`;
  const hasNote = hint !== undefined || error !== undefined;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({
        id,
        'aria-describedby': hasNote ? note : undefined,
        'aria-invalid': error === undefined ? undefined : true,
      })}
      {hasNote ? (
        <div id={note}>
          {error === undefined ? null : (
            <p class="error" role="alert">
              {error}
            </p>
          )}
          {hint === undefined ? null : <p class="quiet">{hint}</p>}
        </div>
      ) : null}
    </div>
  );
}

interface TextFieldProps extends Omit<FieldProps, 'children'> {
  readonly text: string;
  readonly setText: (text: string) => void;
  readonly maxLength?: number;
  readonly required?: boolean;
}

/** A field for one line that is no prose, such as a name or a token. */
export function TextField({ label, hint, error, text, setText, ...limits }: TextFieldProps): JSX.Element {
  return (
    <Field label={label} hint={hint} error={error}>
      {(control) => (
        <input
          {...control}
          {...limits}
          value={text}
          autocomplete="off"
          spellcheck={false}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
      )}
    </Field>
  );
}

/** Lets a field show and change a signal. */
export const bound = (of: Signal<string>): Pick<TextFieldProps, 'text' | 'setText'> => ({
  text: of.value,
  setText(text) {
    of.value = text;
  },
});
