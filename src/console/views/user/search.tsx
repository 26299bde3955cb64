import type { JSX } from 'preact';
import type { inspection } from '#shared/contracts/inspection.js';
import { type Answer, toCall } from '../../api.js';
import { countOf, UNKNOWN } from '../../format.js';
import { Id } from '../../parts/copy.js';
import { PageHead } from '../../parts/page.js';
import { SearchForm } from '../../parts/search.js';
import { Empty, Shown } from '../../parts/states.js';
import { type Column, Table } from '../../parts/table.js';
import { hrefTo } from '../../paths.js';
import { useLoaded } from '../../polling.js';
import { navigate, place } from '../../routes.js';

const findUsers = toCall<typeof inspection.routes.users>('get', '/users');

type Found = Answer<typeof inspection.routes.users>['users'][number];

const search = (text: string): void => navigate(hrefTo('/console/users', {}, { search: text }));

/** Finds a user. What was searched for is in the address. */
export function UserSearch(): JSX.Element {
  const asked = place.value.query.get('search') ?? '';
  return (
    <>
      <PageHead title="Users" />
      <SearchForm
        label="User"
        hint="An id, as in tokens and in the paths of REST calls, or the beginning of a name."
        action="Search"
        initial={asked}
        search={search}
      />
      {asked === '' ? (
        <Empty>
          <p>A user has a page with sockets, devices, and the reason for each message that did not arrive.</p>
          <p>
            Who is connected to a node is on the page of the node: <a href="/console/">nodes</a>
          </p>
        </Empty>
      ) : (
        <Results asked={asked} />
      )}
    </>
  );
}

function Results({ asked }: { asked: string }): JSX.Element {
  const loaded = useLoaded((abort) => findUsers({ query: { search: asked } }, abort), { key: asked });
  return (
    <Shown of={loaded}>
      {({ users, hasMore, isByName }) => (
        <>
          {users.length === 0 ? (
            <Empty>
              <p>
                No id is “<bdi>{asked}</bdi>”{isByName ? ', and no name begins with it' : ''}.
              </p>
              <p>
                A user who has never connected and is in no collection has a page too:{' '}
                <a href={toUser(asked)}>
                  open the page of the id <bdi>{asked}</bdi>
                </a>
              </p>
            </Empty>
          ) : (
            <Table caption="Users found" columns={COLUMNS} rows={users} keyOf={({ id }) => id} />
          )}
          <p class="quiet" role="status">
            {toNote(users.length, hasMore)}
            {isByName ? null : <NoNames />}
          </p>
        </>
      )}
    </Shown>
  );
}

const toNote = (count: number, hasMore: boolean): string => {
  if (hasMore) return `The first ${count}. Type more of the name to see others.`;
  return count === 0 ? '' : countOf(count, 'user');
};

function NoNames(): JSX.Element {
  return (
    <>
      {' '}
      Only the id was searched: the database lacks an index for names. <code>npm run indexes -- --apply</code> creates
      it.
    </>
  );
}

const toUser = (id: string): string => hrefTo('/console/users/:id', { id });

const COLUMNS: readonly Column<Found>[] = [
  { label: 'User', cell: ({ id, name }) => <a href={toUser(id)}>{name ?? id}</a> },
  { label: 'Id', cell: ({ id }) => <Id id={id} /> },
  { label: 'Account', cell: ({ accountId }) => (accountId === null ? UNKNOWN : <Id id={accountId} />) },
  {
    label: 'State',
    cell: ({ isOnline }) => <span class={isOnline ? 'tag good' : 'tag'}>{isOnline ? 'online' : 'offline'}</span>,
  },
];
