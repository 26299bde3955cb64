import type { JSX } from 'preact';
import type { siteStatus } from '#shared/contracts/site-status.js';
import { type Answer, toCall } from '../api.js';
import { formatMs, formatNumber } from '../format.js';
import { useNodeNames } from '../node-names.js';
import { Id } from '../parts/copy.js';
import { PageHead } from '../parts/page.js';
import { Empty, Note, Shown } from '../parts/states.js';
import { type Column, Table } from '../parts/table.js';
import { Ago, Time } from '../parts/time.js';
import { useLoaded } from '../polling.js';

const getSites = toCall<typeof siteStatus.routes.sites>('get', '/sites');

type Site = Answer<typeof siteStatus.routes.sites>['sites'][number];
type Update = Site['userUpdates'][number];

const EVERY_MS = 10_000;

/** The push sites: who is connected, and how their websites answer. */
export function Sites(): JSX.Element {
  const loaded = useLoaded((abort) => getSites({}, abort), { everyMs: EVERY_MS });
  return (
    <>
      <PageHead title="Sites" />
      <Shown of={loaded}>
        {({ sites, missingNodes }) => (
          <>
            {missingNodes.length === 0 ? null : <Missing ids={missingNodes} />}
            {sites.length === 0 ? (
              <Empty>
                <p>
                  There are no push sites. They are declared in <code>sites.yml</code>.
                </p>
              </Empty>
            ) : (
              <>
                <Table caption="Push sites" columns={COLUMNS} rows={sites} keyOf={({ name }) => name} />
                <AllUpdates sites={sites} />
              </>
            )}
          </>
        )}
      </Shown>
    </>
  );
}

const Missing = ({ ids }: { ids: readonly string[] }): JSX.Element => (
  <Note>These numbers are without {useNodeNames(ids)}: no answer.</Note>
);

const COLUMNS: readonly Column<Site>[] = [
  { label: 'Site', cell: ({ name }) => name },
  { label: 'Connections', cell: ({ connections }) => formatNumber(connections), isNumber: true },
  { label: 'Waiting', cell: ({ waiting }) => formatNumber(waiting), isNumber: true },
  { label: 'authUrl', cell: ({ auth }) => <Last auth={auth} /> },
  { label: 'Last call', cell: ({ auth }) => <Ago at={auth.lastAt} /> },
  { label: 'Answered', cell: ({ auth }) => formatNumber(auth.ok), isNumber: true },
  {
    label: 'Failed',
    cell: ({ auth }) => <span class={auth.failed > 0 ? 'bad' : undefined}>{formatNumber(auth.failed)}</span>,
    isNumber: true,
  },
  { label: 'p50', cell: ({ auth }) => formatMs(auth.p50Ms), isNumber: true },
  { label: 'p99', cell: ({ auth }) => formatMs(auth.p99Ms), isNumber: true },
];

function Last({ auth: { lastAt, lastStatus } }: { auth: Site['auth'] }): JSX.Element {
  if (lastAt === null) return <span class="quiet">no call yet</span>;
  if (lastStatus === null) return <span class="tag bad">no answer</span>;
  return <span class={lastStatus < 300 ? 'tag good' : 'tag bad'}>{lastStatus}</span>;
}

/** Of the sites that have any. */
function AllUpdates({ sites }: { sites: readonly Site[] }): JSX.Element {
  const shown = sites.filter(({ userUpdates }) => userUpdates.length > 0);
  if (shown.length === 0) return <p class="quiet">User updates: none since the nodes have started</p>;
  return (
    <div class="sites">
      {shown.map((site) => (
        <Updates key={site.name} site={site} />
      ))}
    </div>
  );
}

function Updates({ site: { name, userUpdates } }: { site: Site }): JSX.Element {
  return (
    <section class="card" aria-label={`Last user updates of ${name}`}>
      <h2>{name}: last user updates</h2>
      <Table
        caption={`User updates of ${name}`}
        columns={UPDATE_COLUMNS}
        rows={userUpdates}
        keyOf={({ at, userId, kind }) => `${at} ${kind} ${userId}`}
      />
    </section>
  );
}

const UPDATE_COLUMNS: readonly Column<Update>[] = [
  { label: 'When', cell: ({ at }) => <Time at={at} /> },
  { label: 'What', cell: ({ kind }) => <span class={kind === 'connected' ? 'dot good' : 'dot quiet'}>{kind}</span> },
  { label: 'User', cell: ({ userId }) => <Id id={userId} /> },
];
