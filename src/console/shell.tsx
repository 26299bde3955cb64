import type { JSX } from 'preact';
import { connection } from './api.js';
import { formatTime } from './format.js';
import { findPage, isWithin, pages } from './pages.js';
import { Mark } from './parts/mark.js';
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
  if (current === undefined) return <Starting />;
  if (current.access === null) return <LogIn />;
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
        <CurrentPage />
      </main>
    </>
  );
}

function Starting(): JSX.Element {
  const error = sessionFailure.value;
  return (
    <main class="centered">
      {error === undefined ? <Loading /> : <Failed error={error} retry={() => void readSession()} />}
    </main>
  );
}

function Navigation(): JSX.Element {
  const { path } = place.value;
  return (
    <nav aria-label="Views">
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
            {current.node} <span class="quiet">{current.version}</span>
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
        {current.isOpen ? 'Development, no key needed' : current.name} <span class="tag">{access}</span>
      </span>
      <button type="button" class="plain" onClick={switchTheme} title="Light, dark, or what the device prefers">
        Theme: {theme.value}
      </button>
      {current.isOpen ? null : (
        <button type="button" class="plain" onClick={() => void logOut()}>
          Log out
        </button>
      )}
    </div>
  );
}

function CurrentPage(): JSX.Element {
  const found = findPage(place.value.path);
  if (found === undefined) {
    return (
      <section class="state">
        <h1>No such page</h1>
        <p>
          Nothing is at <code>{place.value.path}</code>. <a href="/console/">Go to the overview</a>
        </p>
      </section>
    );
  }
  const { View } = found.page;
  return <View key={found.page.path} values={found.values} />;
}
