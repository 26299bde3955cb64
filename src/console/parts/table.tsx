import type { ComponentChildren, JSX } from 'preact';

/** A column of a table. */
export interface Column<Row> {
  readonly label: string;
  readonly cell: (row: Row) => ComponentChildren;
  /** Aligned to the right, digits below each other. */
  readonly isNumber?: boolean;
}

/** A table. */
export interface TableProps<Row> {
  /** What it is a table of; for screen readers. */
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
  /** Rows that are stale are greyed. */
  readonly isStale?: (row: Row) => boolean;
  /** On a phone the last cell, which is long, has a line of its own. */
  readonly isStacked?: boolean;
}

/** Dense rows. What is too wide scrolls inside of it, with the keyboard too. The first column is the heading of its row. */
export function Table<Row>({
  caption,
  columns,
  rows,
  keyOf,
  isStale,
  isStacked = false,
}: TableProps<Row>): JSX.Element {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard
    <section class="table" aria-label={caption} tabIndex={0}>
      <table class={isStacked ? 'stacked' : undefined}>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ label, isNumber }) => (
              <th key={label} scope="col" class={isNumber === true ? 'number' : undefined}>
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)} class={isStale?.(row) === true ? 'stale' : undefined}>
              {columns.map(({ label, cell, isNumber }, index) => {
                const tone = isNumber === true ? 'number' : undefined;
                return index === 0 ? (
                  <th key={label} scope="row" class={tone}>
                    {cell(row)}
                  </th>
                ) : (
                  <td key={label} class={tone}>
                    {cell(row)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
