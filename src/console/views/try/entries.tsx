import type { JSX } from 'preact';
import { formatMs } from '../../format.js';
import { Card } from '../../parts/card.js';
import { toPretty, toShort } from '../../parts/json.js';
import { Empty } from '../../parts/states.js';
import { Time } from '../../parts/time.js';
import { hrefTo } from '../../paths.js';
import type { Entry } from './log.js';
import { clear, entries, isAcknowledging } from './playground.js';

const WAYS = { in: 'received', out: 'sent', note: 'connection' } as const;
const ARROWS = { in: '↓', out: '↑', note: '·' } as const;

/** What went in and out, newest first. */
export function Entries(): JSX.Element {
  const shown = entries.value;
  return (
    <Card
      title="What went in and out"
      note={
        <div class="buttons">
          <label class="check">
            <input
              type="checkbox"
              checked={isAcknowledging.value}
              onChange={({ currentTarget }) => {
                isAcknowledging.value = currentTarget.checked;
              }}
            />
            Acknowledge durable events
          </label>
          <button type="button" onClick={clear} disabled={shown.length === 0}>
            Clear
          </button>
        </div>
      }
    >
      {shown.length === 0 ? (
        <Empty>Nothing yet.</Empty>
      ) : (
        <ol class="entries" aria-live="polite" aria-relevant="additions">
          {shown.map((entry) => (
            <li key={entry.id} class={`entry ${entry.way}`}>
              <OneEntry entry={entry} />
            </li>
          ))}
        </ol>
      )}
    </Card>
  );
}

function OneEntry({ entry }: { entry: Entry }): JSX.Element {
  const { at, way, event, args, answer, isAcknowledged, deliveryIds = [] } = entry;
  const [first] = args;
  return (
    <details>
      <summary>
        <span class="arrow" aria-hidden="true">
          {ARROWS[way]}
        </span>
        <span class="hidden">{WAYS[way]}</span> <strong>{event}</strong>{' '}
        <code class="quiet short">{args.length === 0 ? '' : toShort(args.length === 1 ? first : args)}</code>
        <span class="quiet when">
          <Time at={at} />
        </span>
      </summary>
      <pre>{toPretty(args.length === 1 ? first : args)}</pre>
      <Answer answer={answer} way={way} />
      {isAcknowledged === undefined ? null : (
        <p class={isAcknowledged ? 'good' : 'warn'}>
          {isAcknowledged ? 'Acknowledged.' : 'Not acknowledged: it comes again at the next connect.'}
        </p>
      )}
      {deliveryIds.map((id) => (
        <p key={id}>
          <a href={hrefTo('/console/messages/:id', { id })}>Message {id}</a>
        </p>
      ))}
    </details>
  );
}

function Answer({ answer, way }: Pick<Entry, 'answer' | 'way'>): JSX.Element | null {
  if (way !== 'out') return null;
  if (answer === undefined) return <p class="quiet">Waiting for the answer…</p>;
  const { value, error, tookMs } = answer;
  return (
    <>
      <p class={error === undefined ? 'quiet' : 'bad'}>{error ?? `Answer after ${formatMs(tookMs)}`}</p>
      {error === undefined ? <pre>{toPretty(value)}</pre> : null}
    </>
  );
}
