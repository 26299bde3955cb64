import type { JSX } from 'preact';

/** The sign of the console, as in the icon of the page. */
export function Mark(): JSX.Element {
  return (
    <svg viewBox="0 0 16 16" width="20" height="20" aria-hidden="true">
      <rect width="16" height="16" rx="4" class="mark-back" />
      <path d="M3.5 8h2.2l1.5-3.5 2 7L10.6 8h1.9" class="mark-line" />
    </svg>
  );
}
