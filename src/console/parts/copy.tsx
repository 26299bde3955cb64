import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';

/** Copies a text. Where the browser does not allow it (plain http), it is left to the user to select it. */
export function CopyButton({ text, label }: { text: string; label: string }): JSX.Element | null {
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return undefined;
    const timer = setTimeout(() => setCopied(false), 1500);
    return () => clearTimeout(timer);
  }, [isCopied]);
  if (navigator.clipboard === undefined) return null;
  return (
    <button
      type="button"
      class="copy"
      aria-label={isCopied ? 'Copied' : `Copy ${label}`}
      title={`Copy ${label}`}
      onClick={() =>
        void navigator.clipboard.writeText(text).then(
          () => setCopied(true),
          () => {},
        )
      }
    >
      {isCopied ? '✓' : '⧉'}
    </button>
  );
}

/** An id: in one width, with a button that copies it. A long id is cut on the screen, not in the copy. */
export function Id({ id, href }: { id: string; href?: string }): JSX.Element {
  return (
    <span class="id">
      {href === undefined ? (
        <code title={id}>{id}</code>
      ) : (
        <a href={href} title={id}>
          <code>{id}</code>
        </a>
      )}
      <CopyButton text={id} label={`the id ${id}`} />
    </span>
  );
}
