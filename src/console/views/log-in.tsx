import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, toFailure } from '../api-error.js';
import { Field } from '../parts/field.js';
import { Mark } from '../parts/mark.js';
import { hasEnded, logIn, session } from '../session.js';

/** Exchanges a key for a session. The key is sent once, and kept nowhere. */
export function LogIn(): JSX.Element {
  const [key, setKey] = useState('');
  const [error, setError] = useState<Error>();
  const [isUnderWay, setUnderWay] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    document.title = 'Log in · Console';
    input.current?.focus();
  }, []);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setUnderWay(true);
    setError(undefined);
    try {
      await logIn(key.trim());
    } catch (failure) {
      setError(toFailure(failure));
      setUnderWay(false);
    }
  };

  return (
    <main class="centered">
      <form class="card log-in" onSubmit={(event) => void submit(event)}>
        <h1 class="brand">
          <Mark />
          Console
        </h1>
        {hasEnded.value ? <p>Your session has ended. Log in to go on where you were.</p> : null}
        <Field
          label="Key"
          hint={
            <>
              A key of <code>CONSOLE_KEYS</code>, or an API key. It is exchanged for a session of 8 hours.
            </>
          }
          error={error === undefined ? undefined : toSentence(error)}
        >
          {(control) => (
            <input
              {...control}
              ref={input}
              type="password"
              autocomplete="current-password"
              value={key}
              onInput={(event) => setKey(event.currentTarget.value)}
              required
            />
          )}
        </Field>
        <button type="submit" class="primary" disabled={isUnderWay || key.trim() === ''}>
          {isUnderWay ? 'Logging in…' : 'Log in'}
        </button>
        {session.value?.isDevelopment === true ? (
          <p class="quiet">
            The console is open in development when no keys are set, on the address <code>127.0.0.1</code>.
          </p>
        ) : null}
      </form>
    </main>
  );
}

const toSentence = (error: Error): string =>
  error instanceof ApiError ? `${error.message}. ${error.remedy}` : error.message;
