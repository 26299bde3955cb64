import type { JSX } from 'preact';
import { formatNumber } from '../../format.js';
import { Card } from '../../parts/card.js';
import { Empty } from '../../parts/states.js';
import { type Column, Table } from '../../parts/table.js';
import type { User } from './context.js';

interface Row {
  readonly name: string;
  readonly stored: number;
  readonly recount: number | null;
}

/** The stored numbers of conversations beside a recount. What differs is marked. */
export function Counters({ counters }: { counters: User['counters'] }): JSX.Element {
  if (counters === null) {
    return (
      <Card title="Conversations">
        <Empty>The user has no conversations, or they were never counted.</Empty>
      </Card>
    );
  }
  const { stored, recount } = counters;
  const rows = toRows(stored, recount);
  const wrong = rows.filter(isWrong).length;
  return (
    <Card
      title="Conversations"
      note={
        recount === null ? (
          'too many to count again'
        ) : wrong === 0 ? (
          <span class="tag good">the numbers agree</span>
        ) : (
          <span class="tag bad">{wrong === 1 ? '1 number is wrong' : `${wrong} numbers are wrong`}</span>
        )
      }
    >
      <Table caption="Counters of conversations" columns={COLUMNS} rows={rows} keyOf={({ name }) => name} />
    </Card>
  );
}

const toRows = (stored: Readonly<Record<string, number>>, recount: Readonly<Record<string, number>> | null): Row[] =>
  Object.entries(stored).map(([name, count]) => ({ name, stored: count, recount: recount?.[name] ?? null }));

const isWrong = ({ stored, recount }: Row): boolean => recount !== null && recount !== stored;

const COLUMNS: readonly Column<Row>[] = [
  { label: 'Number of', cell: ({ name }) => name },
  { label: 'Stored', isNumber: true, cell: ({ stored }) => formatNumber(stored) },
  { label: 'Recounted', isNumber: true, cell: ({ recount }) => formatNumber(recount) },
  {
    label: 'Difference',
    cell: (row) =>
      isWrong(row) ? <strong class="bad">differs by {formatNumber(row.stored - (row.recount ?? 0))}</strong> : '',
  },
];
