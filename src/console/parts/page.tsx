import type { ComponentChildren, JSX } from 'preact';
import { useEffect } from 'preact/hooks';

/** The heading of a view, which is also the title of the window. */
export function PageHead({ title, children }: { title: string; children?: ComponentChildren }): JSX.Element {
  useEffect(() => {
    document.title = `${title} · Console`;
  }, [title]);
  return (
    <div class="head">
      <h1>{title}</h1>
      {children}
    </div>
  );
}
