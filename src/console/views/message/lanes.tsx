import type { JSX } from 'preact';
import { type Lane, type Mark, type TimeLine, toElapsed } from './time-line.js';

const NAMES: Readonly<Record<string, string>> = {
  accepted: 'accepted',
  sent: 'sent',
  acknowledged: 'acknowledged',
  pushDue: 'push due',
  pushed: 'pushed',
  expired: 'given up',
};

/** The graphic of a timeline. Its text is in the list beside it, so screen readers skip it. */
export function Lanes({ line }: { line: TimeLine }): JSX.Element {
  return (
    <div class="lanes" aria-hidden="true">
      <div class="lane axis">
        <span />
        <div class="track">
          {line.ticks.map(({ x, elapsedMs, isFine }) => (
            <span key={elapsedMs} class={isFine ? 'tick fine' : 'tick'} style={{ left: percent(x) }}>
              {toElapsed(elapsedMs)}
            </span>
          ))}
          {line.isOpen ? (
            <span class="tick end" style={{ left: '100%' }}>
              now
            </span>
          ) : null}
        </div>
      </div>
      {line.lanes.map((lane) => (
        <OneLane key={lane.deviceId ?? String(lane.deviceId)} lane={lane} ticks={line.ticks} />
      ))}
      <ul class="legend">
        {Object.entries(NAMES).map(([what, name]) => (
          <li key={what}>
            <Dot what={what} /> {name}
          </li>
        ))}
      </ul>
    </div>
  );
}

function OneLane({
  lane: { deviceId, marks, stretches },
  ticks,
}: {
  lane: Lane;
  ticks: TimeLine['ticks'];
}): JSX.Element {
  const name = deviceId === undefined ? 'Message' : nameOf(deviceId);
  return (
    <div class="lane">
      <span class="lane-name" title={name}>
        {name}
      </span>
      <div class="track">
        {ticks.map(({ x, elapsedMs }) => (
          <span key={elapsedMs} class="grid" style={{ left: percent(x) }} />
        ))}
        {stretches.map(({ from, to, kind }) => (
          <span
            key={`${kind}${from}`}
            class={`stretch ${kind}`}
            style={{ left: percent(from), width: percent(to - from) }}
          />
        ))}
        {marks.map((mark) => (
          <OneMark key={`${mark.what}${mark.x}`} mark={mark} />
        ))}
      </div>
    </div>
  );
}

const nameOf = (deviceId: string | null): string =>
  deviceId === null ? 'no device known' : deviceId || 'no device id';

function OneMark({ mark: { x, what, elapsedMs } }: { mark: Mark }): JSX.Element {
  return (
    <span class="mark" style={{ left: percent(x) }} title={`${NAMES[what] ?? what} ${toElapsed(elapsedMs)}`}>
      <Dot what={what} />
    </span>
  );
}

/** Each step has a form of its own, not only a colour. */
function Dot({ what }: { what: string }): JSX.Element {
  return (
    <svg aria-hidden="true" viewBox="-7 -7 14 14" width="14" height="14" class={`step ${what}`}>
      <path d={SHAPES[what] ?? SHAPES['accepted']} />
    </svg>
  );
}

const SHAPES: Readonly<Record<string, string>> = {
  accepted: 'M-5,-5H5V5H-5Z',
  sent: 'M-4,-5L6,0L-4,5Z',
  acknowledged: 'M-5,0L-1.5,4L5,-4',
  pushDue: 'M0,-5A5,5 0 1 1 -0.01,-5Z',
  pushed: 'M0,-6L6,0L0,6L-6,0Z',
  expired: 'M-4,-4L4,4M4,-4L-4,4',
};

const percent = (part: number): string => `${part * 100}%`;
