import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { type Line, latestOf, toColours } from '../series.js';
import { theme } from '../theme.js';
import { createPlot, type DrawnPlot } from './plot.js';
import { Table } from './table.js';
import { Time } from './time.js';

/** A chart of the last hour. */
export interface ChartProps {
  readonly title: string;
  /** Below the title: what is measured. */
  readonly unit: string;
  readonly lines: readonly Line[];
  /** Times of the steps, in milliseconds. */
  readonly times: readonly number[];
  /** In the legend and in the table. */
  readonly toText: (value: number | null | undefined) => string;
  /** The values are counts. */
  readonly isWhole?: boolean;
  /** On the axis, where there is less room; absent: `toText`. */
  readonly toShortText?: (value: number) => string;
}

/** Colours in the style sheet. The last is for the sum of what is not shown. */
const COLOURS = 8;
/** Rows of the table: one a minute. */
const STEPS_PER_ROW = 6;

/** Lines over time, with a legend that has the current value of each, or the values below the pointer; and as a table. */
export function Chart(props: ChartProps): JSX.Element {
  const { title, unit, lines, times, toText } = props;
  const [isTable, setTable] = useState(false);
  const [hovered, setHovered] = useState<number>();
  const known = useRef<ReadonlyMap<string, number>>(new Map());
  known.current = toColours(
    known.current,
    lines.map(({ name }) => name),
    COLOURS,
  );
  const colours = lines.map(({ name }) => known.current.get(name) ?? COLOURS);
  const at = hovered === undefined ? undefined : times[hovered];

  return (
    <figure class="card chart" aria-label={title}>
      <figcaption class="card-head">
        <span>
          <h2>{title}</h2>
          <span class="quiet">
            {unit}
            {at === undefined ? null : (
              <>
                {' '}
                at <Time at={at} />
              </>
            )}
          </span>
        </span>
        {lines.length === 0 ? null : (
          <button type="button" class="plain" aria-pressed={isTable} onClick={() => setTable(!isTable)}>
            Table
          </button>
        )}
      </figcaption>
      {lines.length === 0 ? <p class="nothing quiet">Nothing in the last hour</p> : null}
      {lines.length > 0 && isTable ? <Values {...props} /> : null}
      {lines.length > 0 && !isTable ? (
        <>
          <Drawing {...props} colours={colours} onHover={setHovered} />
          <ul class="legend">
            {lines.map(({ name, values }, index) => (
              <li key={name}>
                <Swatch colour={colours[index] ?? COLOURS} />
                <span class="name">{name}</span>
                <strong>{toText(hovered === undefined ? latestOf(values) : values[hovered])}</strong>
              </li>
            ))}
          </ul>
        </>
      ) : null}
    </figure>
  );
}

/** Shows a colour, and lends it to the drawing: canvas knows no variables of the style sheet. */
const Swatch = ({ colour }: { colour: number }): JSX.Element => (
  <span class="swatch" data-series={colour} style={{ color: `var(--series-${colour})` }} aria-hidden="true" />
);

interface DrawingProps extends ChartProps {
  readonly colours: readonly number[];
  readonly onHover: (index: number | undefined) => void;
}

function Drawing(props: DrawingProps): JSX.Element {
  const { title, lines, times, toText, toShortText = toText, isWhole = false, colours, onHover } = props;
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<DrawnPlot | undefined>(undefined);
  const seconds = useMemo(() => times.map((time) => time / 1000), [times]);
  const which = lines.map(({ name }, index) => `${colours[index]} ${name}`).join('\n');

  // Other lines need another plot; other samples of the same lines do not.
  useEffect(() => {
    if (place.current === null) return undefined;
    const drawn = createPlot(place.current, { lines, times: seconds, colours, toText: toShortText, isWhole, onHover });
    plot.current = drawn;
    const preference = matchMedia('(prefers-color-scheme: dark)');
    preference.addEventListener('change', drawn.redraw);
    return () => {
      preference.removeEventListener('change', drawn.redraw);
      drawn.end();
      plot.current = undefined;
    };
  }, [which]);
  useEffect(() => plot.current?.update({ lines, times: seconds }), [lines, seconds]);
  useEffect(() => plot.current?.redraw(), [theme.value]);

  const summary = lines.map(({ name, values }) => `${name} ${toText(latestOf(values))}`).join(', ');
  return <div class="plot" ref={place} role="img" aria-label={`${title}, now: ${summary}`} />;
}

function Values({ title, lines, times, toText }: ChartProps): JSX.Element {
  const steps = times
    .map((time, index) => ({ time, index }))
    .filter(({ index }) => (times.length - 1 - index) % STEPS_PER_ROW === 0)
    .filter(({ index }) => lines.some(({ values }) => (values[index] ?? null) !== null))
    .reverse();
  const columns = [
    { label: 'Time', cell: ({ time }: (typeof steps)[number]) => <Time at={time} /> },
    ...lines.map(({ name, values }) => ({
      label: name,
      cell: ({ index }: (typeof steps)[number]) => toText(values[index]),
      isNumber: true,
    })),
  ];
  return (
    <div class="values">
      <Table caption={title} columns={columns} rows={steps} keyOf={({ time }) => String(time)} />
    </div>
  );
}
