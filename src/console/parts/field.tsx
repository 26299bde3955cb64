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
