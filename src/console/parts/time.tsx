import type { JSX } from 'preact';
import { now } from '../clock.js';
import { formatDuration, formatTime, UNKNOWN } from '../format.js';

/** A moment: an ISO time, or milliseconds. */
export type Moment = string | number | null | undefined;

/** A local time of day, with the date when it is not today. The title is the exact time in UTC. */
export function Time({ at }: { at: Moment }): JSX.Element {
  const time = toTime(at);
  if (time === undefined) return <span>{UNKNOWN}</span>;
  return (
    <time dateTime={time.toISOString()} title={time.toISOString()}>
      {formatTime(time, new Date())}
    </time>
  );
}

/** How long ago it was, or how long it will take: `2 h 5 min ago`, `in 42 s`. It goes on by itself. */
export function Ago({ at }: { at: Moment }): JSX.Element {
  const time = toTime(at);
  if (time === undefined) return <span>{UNKNOWN}</span>;
  const ageMs = now.value - time.getTime();
  return (
    <time dateTime={time.toISOString()} title={time.toISOString()}>
      {ageMs >= 0 ? `${formatDuration(ageMs)} ago` : `in ${formatDuration(-ageMs)}`}
    </time>
  );
}

function toTime(at: Moment): Date | undefined {
  if (at === null || at === undefined) return undefined;
  const time = new Date(at);
  return Number.isNaN(time.getTime()) ? undefined : time;
}
