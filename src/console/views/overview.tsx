import type { JSX } from 'preact';
import type { administration } from '#shared/contracts/administration.js';
import { type Answer, toCall } from '../api.js';
import { formatNumber, UNKNOWN } from '../format.js';
import { Id } from '../parts/copy.js';
import { PageHead } from '../parts/page.js';
import { Shown } from '../parts/states.js';
import { type Column, Table } from '../parts/table.js';
import { useLoaded } from '../polling.js';

const getNodes = toCall<typeof administration.routes.nodes>('get', '/nodes');

type Node = Answer<typeof administration.routes.nodes>['nodes'][number];

/** The nodes of the cluster. */
export function Overview(): JSX.Element {
  const loaded = useLoaded((abort) => getNodes({}, abort), { everyMs: 10_000 });
  return (
    <>
      <PageHead title="Overview" />
      <Shown of={loaded}>
        {({ nodes }) => (
          <Table caption="Nodes" columns={COLUMNS} rows={nodes} keyOf={({ id }) => id} isStale={isSilent} />
        )}
      </Shown>
    </>
  );
}

const isSilent = ({ name }: Node): boolean => name === null;

const COLUMNS: readonly Column<Node>[] = [
  { label: 'Node', cell: ({ name, id }) => name ?? <Id id={id} /> },
  { label: 'Version', cell: ({ version }) => version ?? UNKNOWN },
  { label: 'Connections', cell: ({ connections }) => formatNumber(connections), isNumber: true },
];
