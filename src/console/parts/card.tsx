import type { ComponentChildren, JSX } from 'preact';
import { useId } from 'preact/hooks';

/** A part of a view. */
export interface CardProps {
  readonly title: string;
  /** Beside the title: a number, a filter. */
  readonly note?: ComponentChildren;
  readonly children: ComponentChildren;
}

/** A part of a view with its heading, which screen readers can go to. */
export function Card({ title, note, children }: CardProps): JSX.Element {
  const id = useId();
  return (
    <section class="card" aria-labelledby={id}>
      <div class="card-head">
        <h2 id={id}>{title}</h2>
        {note === undefined ? null : <div class="quiet">{note}</div>}
      </div>
      {children}
    </section>
  );
}
