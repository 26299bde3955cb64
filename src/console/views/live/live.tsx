import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { countOf, formatNumber } from '../../format.js';
import { useNodeId, useNodeNames } from '../../node-names.js';
import { Field } from '../../parts/field.js';
import { PageHead } from '../../parts/page.js';
import { Empty, Failed, Loading, Note } from '../../parts/states.js';
import { Ago } from '../../parts/time.js';
import { hrefTo } from '../../paths.js';
import { navigate, place } from '../../routes.js';
import { type Filters, kindHints, kinds, names, toFilters, toggleKind, toQuery } from './filters.js';
import { Records } from './records.js';
import { ROWS_MAX } from './stream.js';
import { type Live as LiveState, useLive } from './use-live.js';

const PAGE = '/console/live';

const LABELS: Readonly<Record<(typeof names)[number], string>> = {
  user: 'User',
  namespace: 'Namespace',
  event: 'Event',
  code: 'Code',
  node: 'Node',
};

/** What happens on all nodes, as it happens. The filters are in the address. */
export function Live(): JSX.Element {
  const filters = toFilters(place.value.query);
  const [isPaused, setPaused] = useState(false);
  const node = useNodeId(filters.node);
  const path = node === undefined ? undefined : hrefTo('/live', {}, toQuery({ ...filters, node }));
  const live = useLive(path, isPaused);
  const change = (changed: Filters): void => navigate(hrefTo(PAGE, {}, toQuery(changed)), { isReplacement: true });
  return (
    <>
      <PageHead title="Live">
        <div class="buttons">
          <button type="button" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
            {isPaused ? 'Resume' : 'Pause'}
          </button>
          <button type="button" onClick={live.clear} disabled={live.rows.length === 0}>
            Clear
          </button>
        </div>
        <Status live={live} isPaused={isPaused} />
      </PageHead>
      <FilterForm key={place.value.query.toString()} filters={filters} change={change} />
      <Content live={live} filters={filters} />
    </>
  );
}

function Status({
  live: { phase, rows, dropped, unwatched, held },
  isPaused,
}: {
  live: LiveState;
  isPaused: boolean;
}): JSX.Element {
  return (
    <p class="live-status">
      <span role="status" class={phase === 'on' && !isPaused ? 'dot good' : phase === 'lost' ? 'dot bad' : 'dot warn'}>
        {phase === 'connecting'
          ? 'connecting…'
          : phase === 'lost'
            ? 'lost, trying again'
            : isPaused
              ? 'paused'
              : 'live'}
      </span>
      <span class="quiet">
        {countOf(rows.length, rows.length >= ROWS_MAX ? 'newest record' : 'record')}
        {isPaused && held > 0 ? `, ${formatNumber(held)} held` : ''}
      </span>
      {dropped === 0 ? null : (
        <span class="tag warn" title="Each node sends at most 200 records in a second. Narrow the filters to see all.">
          {formatNumber(dropped)} not shown
        </span>
      )}
      {unwatched.length === 0 ? null : <Unwatched ids={unwatched} />}
    </p>
  );
}

const Unwatched = ({ ids }: { ids: readonly string[] }): JSX.Element => (
  <span class="tag warn" title="Too many streams watch these nodes. Close some of them.">
    nothing of {useNodeNames(ids)}
  </span>
);

function FilterForm({ filters, change }: { filters: Filters; change: (changed: Filters) => void }): JSX.Element {
  const [typed, setTyped] = useState(filters);
  const isFiltered = Object.values(toQuery(filters)).some((value) => value !== '');
  return (
    <form
      class="card"
      onSubmit={(event) => {
        event.preventDefault();
        change(typed);
      }}
    >
      <div class="fields filters">
        {names.map((name) => (
          <Field key={name} label={LABELS[name]}>
            {(control) => (
              <input
                {...control}
                type="search"
                value={typed[name]}
                placeholder="any"
                autocomplete="off"
                spellcheck={false}
                onInput={({ currentTarget }) => setTyped({ ...typed, [name]: currentTarget.value })}
                onChange={({ currentTarget }) => change({ ...typed, [name]: currentTarget.value.trim() })}
              />
            )}
          </Field>
        ))}
      </div>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset cannot be laid out in a row in all browsers */}
      <div class="buttons" role="group" aria-label="Kinds of records">
        {kinds.map((kind) => (
          <button
            key={kind}
            type="button"
            aria-pressed={filters.kinds.includes(kind)}
            title={kindHints[kind]}
            onClick={() => change(toggleKind({ ...typed, kinds: filters.kinds }, kind))}
          >
            {kind}
          </button>
        ))}
        {isFiltered ? (
          <button type="button" class="plain" onClick={() => change(toFilters(new URLSearchParams()))}>
            No filters
          </button>
        ) : null}
        <button type="submit" class="hidden">
          Filter
        </button>
      </div>
    </form>
  );
}

interface ContentProps {
  readonly live: LiveState;
  readonly filters: Filters;
}

function Content({ live: { phase, error, rows, retry, heardAt }, filters }: ContentProps): JSX.Element {
  if (rows.length === 0 && phase === 'connecting') return <Loading />;
  if (rows.length === 0 && error !== undefined) return <Failed error={error} retry={retry} />;
  return (
    <>
      {error === undefined ? null : (
        <Note retry={retry}>
          {error.message}. The last line came <Ago at={heardAt} />.
        </Note>
      )}
      {rows.length === 0 ? (
        <Empty>
          <p>
            Nothing has happened since you opened this view
            {Object.values(toQuery(filters)).some((value) => value !== '') ? ' that passes the filters' : ''}.
          </p>
          <p>
            Make something happen: <a href="/console/try">Try it</a>
          </p>
        </Empty>
      ) : (
        <Records rows={rows} isStale={error !== undefined} />
      )}
    </>
  );
}
