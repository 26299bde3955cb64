import Plot from 'uplot';
import type { Line } from '../series.js';

/** What a plot is drawn from. */
export interface PlotInput {
  readonly lines: readonly Line[];
  /** Times of the steps, in seconds since 1970. */
  readonly times: readonly number[];
  /** Colour of each line: that of the swatch with this number. */
  readonly colours: readonly number[];
  /** On the axis. */
  readonly toText: (value: number) => string;
  /** Counts: the axis has no halves. */
  readonly isWhole: boolean;
  /** The step below the pointer; `undefined`: none. */
  readonly onHover: (index: number | undefined) => void;
}

/** A drawing in a place of the page. */
export interface DrawnPlot {
  /** Draws newer samples of the same lines. */
  update(input: Pick<PlotInput, 'lines' | 'times'>): void;
  /** Draws again, in the colours of the theme. */
  redraw(): void;
  end(): void;
}

const HEIGHT = 168;
/** 1, 2, 5, 10 and so on. */
const WHOLE_STEPS = Array.from({ length: 10 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();
const FONT = '11px system-ui, sans-serif';

/** Draws lines over time. All plots of the page share the pointer. */
export function createPlot(
  place: HTMLElement,
  { lines, times, colours, toText, isWhole, onHover }: PlotInput,
): DrawnPlot {
  const axis = {
    font: FONT,
    stroke: () => getComputedStyle(place).color,
    grid: { stroke: () => getComputedStyle(place).borderTopColor, width: 1 },
    ticks: { show: false },
  };
  const plot = new Plot(
    {
      width: Math.max(place.clientWidth, 100),
      height: HEIGHT,
      padding: [8, 4, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: 'console' }, drag: { x: false, y: false }, y: false, points: { size: 7 } },
      scales: { x: { time: true }, y: { range: (_, __, max) => [0, max > 0 ? max * 1.08 : 1] } },
      axes: [
        { ...axis, size: 28, gap: 8, space: 64, values: (_, splits) => splits.map(toClock), grid: { show: false } },
        {
          ...axis,
          size: 50,
          space: 34,
          values: (_, splits) => splits.map(toText),
          ...(isWhole ? { incrs: WHOLE_STEPS } : {}),
        },
      ],
      series: [
        {},
        ...colours.map((colour) => ({
          stroke: () => colourOf(place, colour),
          width: 1.75,
          ...(colours.length === 1
            ? { fill: () => `color-mix(in srgb, ${colourOf(place, colour)} 12%, transparent)` }
            : {}),
          // A sample between two gaps has no line.
          points: { size: 4, filter: toLonely },
        })),
      ],
      hooks: { setCursor: [({ cursor }) => onHover(cursor.idx ?? undefined)] },
    },
    toData({ lines, times }),
    place,
  );
  const observer = new ResizeObserver(() => plot.setSize({ width: Math.max(place.clientWidth, 100), height: HEIGHT }));
  observer.observe(place);
  return {
    update: (input) => plot.setData(toData(input)),
    redraw: () => plot.redraw(false, true),
    end() {
      observer.disconnect();
      plot.destroy();
    },
  };
}

const toData = ({ lines, times }: Pick<PlotInput, 'lines' | 'times'>): Plot.AlignedData => [
  [...times],
  ...lines.map(({ values }) => times.map((_, index) => values[index] ?? null)),
];

/** The colour as it is in the theme. */
function colourOf(place: HTMLElement, colour: number): string {
  const swatch = place.closest('figure')?.querySelector(`[data-series="${colour}"]`);
  return getComputedStyle(swatch ?? place).color;
}

function toLonely(plot: Plot, series: number): number[] {
  const values = plot.data[series] ?? [];
  const isThere = (index: number): boolean => typeof values[index] === 'number';
  return Array.from({ length: values.length }, (_, index) => index).filter(
    (index) => isThere(index) && !isThere(index - 1) && !isThere(index + 1),
  );
}

const toClock = (seconds: number): string =>
  new Date(seconds * 1000).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
