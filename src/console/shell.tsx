import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { connection } from './api.js';
import { toFailure } from './api-error.js';
import { formatTime } from './format.js';
import { findPage, isWithin, pages } from './pages.js';
import { Mark } from './parts/mark.js';
import { PageHead } from './parts/page.js';
import { Failed, Loading } from './parts/states.js';
import { Time } from './parts/time.js';
import { place } from './routes.js';
import { logOut, type OpenSession, readSession, session, sessionFailure } from './session.js';
import { switchTheme, theme } from './theme.js';
import { LogIn } from './views/log-in.js';

/**
 * The frame of every page. Who is not logged in gets the log-in at the same address, and after it the page that was asked
 * for.
 */
export function Shell(): JSX.Element {
  const current = session.value;
  const hadLogIn = useRef(false);
  if (current === undefined) return <Starting />;
  if (current.access === null) {
    hadLogIn.current = true;
    return <LogIn />;
  }
  return (
    <>
      <a class="skip" href="#content">
        Skip to the content
      </a>
      <header class="bar">
        <a class="brand" href="/console/">
          <Mark />
          Console
        </a>
        <Navigation />
        <Status current={current} />
      </header>
      <main id="content" tabIndex={-1}>
        <CurrentPage takesFocus={hadLogIn.current} />
      </main>
    </>
  );
}

/** A gateway that starts is waited for. */
const RETRY_MS = 3000;

function Starting(): JSX.Element {
  const error = sessionFailure.value;
  useEffect(() => {
    if (error === undefined) return undefined;
    const timer = setTimeout(() => void readSession(), RETRY_MS);
    return () => clearTimeout(timer);
  }, [error]);
  return (
    <main class="centered">
      {error === undefined ? <Loading /> : <Failed error={error} retry={() => void readSession()} />}
    </main>
  );
}

function Navigation(): JSX.Element {
  const { path } = place.value;
  const links = useRef<HTMLElement>(null);
  // On a phone the links are wider than the page.
  useEffect(() => {
    links.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [path]);
  return (
    <nav aria-label="Views" ref={links}>
      {pages.map((page) =>
        page.label === undefined ? null : (
          <a key={page.path} href={page.path} aria-current={isWithin(path, page) ? 'page' : undefined}>
            {page.label}
          </a>
        ),
      )}
    </nav>
  );
}

function Status({ current }: { current: OpenSession }): JSX.Element {
  const { isAnswering, since } = connection.value;
  const access = current.access === 'act' ? 'may act' : 'read-only';
  return (
    <div class="status">
      <span class={isAnswering ? 'dot good' : 'dot bad'} role="status" title={`Node ${current.nodeId}`}>
        {isAnswering ? (
          <>
            <span class="node">{current.node}</span> <span class="quiet wide">{current.version}</span>
          </>
        ) : (
          <>
            No answer since <Time at={since} />
          </>
        )}
      </span>
      <span
        class="who"
        title={current.expiresAt === null ? undefined : `Until ${formatTime(new Date(current.expiresAt), new Date())}`}
      >
        {current.isOpen ? 'Development, open' : current.name} <span class="tag">{access}</span>
      </span>
      <button
        type="button"
        class="plain"
        onClick={switchTheme}
        aria-label={`Theme: ${theme.value}`}
        title="Light, dark, or what the device prefers"
      >
        Theme<span class="wide">: {theme.value}</span>
      </button>
      {current.isOpen ? null : <LogOut />}
    </div>
  );
}

function LogOut(): JSX.Element {
  const [error, setError] = useState<Error>();
  return (
    <>
      {error === undefined ? null : (
        <span class="bad" role="alert">
          You are still logged in: {error.message}.
        </span>
      )}
      <button
        type="button"
        class="plain"
        onClick={() => void logOut().catch((failure: unknown) => setError(toFailure(failure)))}
      >
        Log out
      </button>
    </>
  );
}

/** @param takesFocus at once: what had the focus, the log-in, is gone */
function CurrentPage({ takesFocus }: { takesFocus: boolean }): JSX.Element {
  const { path } = place.value;
  const isFirst = useRef(true);
  // Screen readers announce the new page because the focus moves to it.
  useEffect(() => {
    const isLost = takesFocus && document.activeElement === document.body;
    if (!isFirst.current || isLost) document.getElementById('content')?.focus({ preventScroll: true });
    isFirst.current = false;
  }, [path]);
  const found = findPage(path);
  if (found === undefined) {
    return (
      <>
        <PageHead title="No such page" />
        <p>
          Nothing is at <code>{path}</code>. <a href="/console/">Go to the overview</a>
        </p>
      </>
    );
  }
  const { View } = found.page;
  return <View key={found.page.path} values={found.values} />;
}
