import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { inspection } from '#shared/contracts/inspection.js';
import { toCall } from '../../api.js';
import { countOf } from '../../format.js';
import { Id } from '../../parts/copy.js';
import { PageHead } from '../../parts/page.js';
import { Shown } from '../../parts/states.js';
import { Time } from '../../parts/time.js';
import { hrefTo, type ViewProps } from '../../paths.js';
import { useLoaded } from '../../polling.js';
import { Block, Disconnect, SendEvent } from './acts.js';
import type { ActContext, User } from './context.js';
import { Counters } from './counters.js';
import { Deliveries } from './deliveries.js';
import { Devices } from './devices.js';
import { Sockets } from './sockets.js';

const getUser = toCall<typeof inspection.routes.user>('get', '/users/:userId');

/** A user: sockets, devices, messages, counters, and acts. */
export function UserPage({ values: { id = '' } }: ViewProps): JSX.Element {
  const loaded = useLoaded((abort) => getUser({ params: { userId: id } }, abort), { everyMs: 10_000, key: id });
  const [notice, setNotice] = useState<JSX.Element | string>();
  const [acts, setActs] = useState(0);
  const context: ActContext = {
    userId: id,
    done(told) {
      setNotice(told);
      setActs(acts + 1);
      loaded.reload();
    },
  };
  return (
    <>
      <PageHead title={loaded.data?.name ?? `User ${id}`}>
        {loaded.data === undefined ? null : <State user={loaded.data} />}
      </PageHead>
      <div class="summary">
        <span>
          <span class="quiet">Id</span> <Id id={id} />
        </span>
        {loaded.data === undefined || loaded.data.accountId === null ? null : (
          <span>
            <span class="quiet">Account</span> <Id id={loaded.data.accountId} />
          </span>
        )}
        <a href={hrefTo('/console/live', {}, { user: id })}>Follow live</a>
        <a href={hrefTo('/console/try/events', {}, { user: id })}>Connect as this user</a>
      </div>
      <div class="buttons">
        <SendEvent {...context} />
        <Disconnect {...context} />
        <Block {...context} blockedUntil={loaded.data?.blockedUntil ?? null} />
      </div>
      <div class="notice" role="status">
        {notice}
      </div>
      <Shown of={loaded}>
        {(user) => (
          <>
            <Sockets user={user} />
            <Devices {...context} devices={user.devices} />
          </>
        )}
      </Shown>
      <Deliveries key={id} userId={id} acts={acts} />
      {loaded.data === undefined ? null : <Counters counters={loaded.data.counters} />}
    </>
  );
}

function State({ user: { isOnline, blockedUntil, connections } }: { user: User }): JSX.Element {
  return (
    <>
      <span class={isOnline ? 'tag good' : 'tag'}>
        {isOnline ? `online · ${countOf(connections, 'socket')}` : 'offline'}
      </span>
      {blockedUntil === null ? null : (
        <span class="tag bad">
          blocked until <Time at={blockedUntil} />
        </span>
      )}
    </>
  );
}
