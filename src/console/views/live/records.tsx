import { Component, type JSX } from 'preact';
import { useState } from 'preact/hooks';
import { useNodeName } from '../../node-names.js';
import { toPretty } from '../../parts/json.js';
import { toTitle } from '../../parts/node.js';
import { Time } from '../../parts/time.js';
import { hrefTo } from '../../paths.js';
import type { Row } from './stream.js';
import { toFacts, toneOfRecord } from './words.js';

/** The records, newest first. A flood is not read out by screen readers. */
export function Records({ rows, isStale }: { rows: readonly Row[]; isStale: boolean }): JSX.Element {
  return (
    <ol class={isStale ? 'records stale' : 'records'} aria-label="Records, newest first">
      {rows.map((row) => (
        <KeptRow key={row.id} row={row} />
      ))}
    </ol>
  );
}

/** A row never changes, so the thousand that are there are not drawn again when new ones come. */
class KeptRow extends Component<{ row: Row }> {
  override shouldComponentUpdate({ row }: { row: Row }): boolean {
    return row !== this.props.row;
  }

  override render({ row }: { row: Row }): JSX.Element {
    return <OneRow row={row} />;
  }
}

function OneRow({ row: { record } }: { row: Row }): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  const { at, kind, event, code, namespace, node, messageId } = record;
  const tone = toneOfRecord(record);
  return (
    <li class={tone}>
      <div class="record">
        <button type="button" class="plain when" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          <Time at={at} />
        </button>
        <span class={`tag ${tone}`}>{kind}</span>
        <strong class="what">{event}</strong>
        <span class="code">{code === null ? '' : <code class={tone}>{code}</code>}</span>
        <span class="who-what">
          <WhoAndWhat record={record} />
        </span>
        <code class="quiet where">{namespace}</code>
        <span class="quiet facts-line">{toFacts(record)}</span>
        <span class="message-link">
          {messageId === undefined ? null : <a href={hrefTo('/console/messages/:id', { id: messageId })}>message</a>}
        </span>
        <NodeCell id={node} />
      </div>
      {isOpen ? <pre>{toPretty(record)}</pre> : null}
    </li>
  );
}

function NodeCell({ id }: { id: string }): JSX.Element {
  const name = useNodeName(id);
  return (
    <bdi class="quiet node cut" title={toTitle(id, name)}>
      {name}
    </bdi>
  );
}

function WhoAndWhat({ record: { userId } }: { record: Row['record'] }): JSX.Element | null {
  if (userId === null) return null;
  return (
    <a href={hrefTo('/console/users/:id', { id: userId })} title={userId}>
      {userId}
    </a>
  );
}
