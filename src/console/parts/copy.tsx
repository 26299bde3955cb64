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
      <Icon isCopied={isCopied} />
    </button>
  );
}

function Icon({ isCopied }: { isCopied: boolean }): JSX.Element {
  return (
    <svg viewBox="0 0 16 16" width="13" height="13" class="icon" aria-hidden="true">
      {isCopied ? (
        <path d="M3 8.5 6.5 12 13 4.5" />
      ) : (
        <>
          <rect x="5.5" y="5.5" width="8" height="8" rx="1.5" />
          <path d="M10.5 3.5v-.5a1 1 0 0 0-1-1h-6a1 1 0 0 0-1 1v6a1 1 0 0 0 1 1h.5" />
        </>
      )}
    </svg>
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
