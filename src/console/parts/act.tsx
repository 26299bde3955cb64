import type { ComponentChildren, JSX } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { toFailure } from '../api-error.js';
import { mayAct } from '../session.js';
import { Failed } from './states.js';

/** Something that changes the gateway or what users get. */
export interface ActProps {
  /** On the buttons. */
  readonly label: string;
  /** To what it is done: the heading of the dialog is both. */
  readonly subject: string;
  /** What will happen. More fields of the act can be here too. */
  readonly children: ComponentChildren;
  /** Does it. The dialog closes when it is fulfilled, and shows the error when it rejects. */
  readonly run: () => Promise<unknown>;
  /** It cannot be undone, or users notice it: the button shows that by its colour. */
  readonly isDangerous?: boolean;
}

/** A button that asks before it acts. A session that may only read sees it disabled. */
export function Act({ label, subject, children, run, isDangerous = false }: ActProps): JSX.Element {
  const button = useRef<HTMLButtonElement>(null);
  const dialog = useRef<HTMLDialogElement>(null);
  const [isOpen, setOpen] = useState(false);
  const [isUnderWay, setUnderWay] = useState(false);
  const [error, setError] = useState<Error>();
  const title = `${label} ${subject}`;
  const tone = isDangerous ? 'danger' : '';

  const open = (): void => {
    setError(undefined);
    setOpen(true);
    // Still there: the browser tells late that it was closed.
    if (isOpen) dialog.current?.showModal();
  };
  const closed = (): void => {
    if (dialog.current?.open !== true) setOpen(false);
  };
  // Once the form is there: the browser moves the focus to its first control.
  useLayoutEffect(() => {
    if (isOpen) dialog.current?.showModal();
  }, [isOpen]);
  // The act may take its own button away, and with it the focus.
  useLayoutEffect(() => {
    const own = [button.current, dialog.current];
    return () => {
      if (own.some((part) => part?.contains(document.activeElement)))
        document.getElementById('content')?.focus({ preventScroll: true });
    };
  }, []);
  const act = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (isUnderWay) return;
    setUnderWay(true);
    setError(undefined);
    try {
      await run();
      dialog.current?.close();
    } catch (failure) {
      setError(toFailure(failure));
    } finally {
      setUnderWay(false);
    }
  };

  return (
    <>
      <button
        ref={button}
        type="button"
        class={tone}
        aria-label={title}
        onClick={open}
        disabled={!mayAct.value}
        title={mayAct.value ? undefined : 'This session is read-only.'}
      >
        {label}
      </button>
      <dialog ref={dialog} aria-label={title} onClose={closed}>
        {isOpen ? (
          <form onSubmit={(event) => void act(event)}>
            <h2>{title}</h2>
            {children}
            {error === undefined ? null : <Failed error={error} />}
            <div class="buttons">
              <button type="button" onClick={() => dialog.current?.close()}>
                Cancel
              </button>
              <button type="submit" class={isDangerous ? 'danger primary' : 'primary'} aria-disabled={isUnderWay}>
                {isUnderWay ? 'Working…' : label}
              </button>
            </div>
          </form>
        ) : null}
      </dialog>
    </>
  );
}
