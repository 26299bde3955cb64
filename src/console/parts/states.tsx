import type { ComponentChildren, JSX } from 'preact';
import { ApiError } from '../api-error.js';
import type { Loaded } from '../polling.js';
import { Time } from './time.js';

/** Nothing is known yet. */
export function Loading(): JSX.Element {
  return (
    <p class="state loading" role="status">
      Loading…
    </p>
  );
}

/** There is nothing to show. The children say why, or what to do. */
export function Empty({ children }: { children: ComponentChildren }): JSX.Element {
  return <div class="state empty">{children}</div>;
}

/** What is shown instead of data: what happened, what to do, and a way to try again. */
export function Failed({ error, retry }: { error: Error; retry?: () => void }): JSX.Element {
  const { code, remedy, details, requestId } = describe(error);
  return (
    <div class="state failed" role="alert">
      <p>
        <strong>{error.message}.</strong> {remedy} {code === undefined ? null : <code>{code}</code>}
      </p>
      {details.length === 0 ? null : (
        <ul>
          {details.map(({ path, message }) => (
            <li key={path}>
              <code>{path}</code> {message}
            </li>
          ))}
        </ul>
      )}
      {requestId === undefined ? null : (
        <p class="quiet">
          The log of the gateway has the cause under <code>{requestId}</code>.
        </p>
      )}
      {retry === undefined ? null : <Retry retry={retry} />}
    </div>
  );
}

/** Stands above data that is not new, or not whole: why. */
export function Note({ children, retry }: { children: ComponentChildren; retry?: () => void }): JSX.Element {
  return (
    <div class="stale-note" role="status">
      <span>{children}</span>
      {retry === undefined ? null : <Retry retry={retry} />}
    </div>
  );
}

const Retry = ({ retry }: { retry: () => void }): JSX.Element => (
  <button type="button" onClick={retry}>
    Try again
  </button>
);

/**
 * The states of what a view loads: loading, failed, stale and there. Data that is stale stays, greyed.
 * @param children draws the data; it decides what is empty
 */
export function Shown<T>({ of, children }: { of: Loaded<T>; children: (data: T) => ComponentChildren }): JSX.Element {
  const { data, answeredAt = 0, error, reload } = of;
  if (data === undefined) return error === undefined ? <Loading /> : <Failed error={error} retry={reload} />;
  return (
    <>
      {error === undefined ? null : (
        <Note retry={reload}>
          {error.message}. This is the answer of <Time at={answeredAt} />.
        </Note>
      )}
      <div class={error === undefined ? 'shown' : 'shown stale'}>{children(data)}</div>
    </>
  );
}

interface Description {
  readonly code?: string;
  readonly remedy: string;
  readonly details: ApiError['facts']['details'];
  readonly requestId: string | undefined;
}

const describe = (error: Error): Description =>
  error instanceof ApiError
    ? { code: error.code, remedy: error.remedy, ...error.facts }
    : { remedy: 'This is a fault of the page. Reload it.', details: [], requestId: undefined };
