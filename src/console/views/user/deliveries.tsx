import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { emitApi } from '#shared/contracts/emit-api.js';
import { type Answer, toCall } from '../../api.js';
import { formatDuration } from '../../format.js';
import { Card } from '../../parts/card.js';
import { Id } from '../../parts/copy.js';
import { DeviceName } from '../../parts/device.js';
import { Field } from '../../parts/field.js';
import { type PageCursors, Pager } from '../../parts/pager.js';
import { Reason, toneOfState } from '../../parts/reason.js';
import { Empty, Shown } from '../../parts/states.js';
import { Ago, Time } from '../../parts/time.js';
import { hrefTo } from '../../paths.js';
import { useLoaded } from '../../polling.js';
import { navigate, place } from '../../routes.js';

const getDeliveries = toCall<typeof emitApi.routes.deliveries>('get', '/users/:userId/deliveries');

type Page = Answer<typeof emitApi.routes.deliveries>;
type Message = Page['messages'][number];

const STATES = ['queued', 'sent', 'acked', 'pushed', 'expired'] as const;
const PAGE = '20';
/** Devices of a message that are shown here; its own page has all. */
const DEVICES_SHOWN = 4;

/** The last durable messages of a user, with the reason for each device. The filters are in the address. */
export function Deliveries({ userId, acts }: { userId: string; acts: number }): JSX.Element {
  const { query } = place.value;
  const event = query.get('event') ?? '';
  const state = STATES.find((one) => one === query.get('state'));
  const [cursors, setCursors] = useState<PageCursors>([]);
  const before = cursors.at(-1);
  const question = { limit: PAGE, event: event === '' ? undefined : event, state, before };
  const loaded = useLoaded((abort) => getDeliveries({ params: { userId }, query: question }, abort), {
    key: JSON.stringify([userId, question, acts]),
    ...(before === undefined ? { everyMs: 10_000 } : {}),
  });
  const filter = (changed: Readonly<Record<string, string>>): void => {
    setCursors([]);
    const current = { event, state: state ?? '', ...changed };
    navigate(hrefTo('/console/users/:id', { id: userId }, current), { isReplacement: true });
  };
  return (
    <Card
      title="Durable messages"
      note={loaded.data === undefined ? undefined : `kept for ${formatDuration(loaded.data.keptForMs)} after their end`}
    >
      <div class="fields filters">
        <Field label="Event">
          {(control) => (
            <input
              {...control}
              type="search"
              value={event}
              maxLength={128}
              onChange={({ currentTarget }) => filter({ event: currentTarget.value.trim() })}
            />
          )}
        </Field>
        <Field label="Device state">
          {(control) => (
            <select
              {...control}
              value={state ?? ''}
              onChange={({ currentTarget }) => filter({ state: currentTarget.value })}
            >
              <option value="">any</option>
              {STATES.map((one) => (
                <option key={one} value={one}>
                  {one}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
      <Shown of={loaded}>
        {({ messages, next }) => (
          <>
            {messages.length === 0 ? (
              <Nothing isFiltered={event !== '' || state !== undefined} />
            ) : (
              <List messages={messages} />
            )}
            <Pager cursors={cursors} change={setCursors} next={next} labels={['Newer', 'Older']} />
          </>
        )}
      </Shown>
    </Card>
  );
}

function Nothing({ isFiltered }: { isFiltered: boolean }): JSX.Element {
  return (
    <Empty>
      {isFiltered ? (
        'No message on this page matches the filters.'
      ) : (
        <>
          No durable message is recorded. Events that are sent without <code>durable=true</code> are not stored, and do
          not appear here.
        </>
      )}
    </Empty>
  );
}

function List({ messages }: { messages: readonly Message[] }): JSX.Element {
  return (
    <ol class="messages">
      {messages.map((message) => (
        <li key={message.id}>
          <OneMessage {...message} />
        </li>
      ))}
    </ol>
  );
}

function OneMessage({ id, event, namespace, createdAt, requestId, state, devices }: Message): JSX.Element {
  const href = hrefTo('/console/messages/:id', { id });
  const more = devices.length - DEVICES_SHOWN;
  return (
    <article>
      <div class="message-head">
        <a href={href} class="message-event">
          {event}
        </a>
        <span class={`tag ${toneOfState(state)}`}>{state}</span>
        <span class="quiet">
          <Time at={createdAt} /> · <Ago at={createdAt} /> · to <code>{namespace}</code>
        </span>
        {requestId === null ? null : (
          <span class="quiet">
            request <Id id={requestId} />
          </span>
        )}
      </div>
      <ul class="reasons">
        {devices.slice(0, DEVICES_SHOWN).map(({ deviceId, reason }) => (
          <li key={deviceId}>
            {deviceId === null ? <span class="quiet">no device</span> : <DeviceName id={deviceId} />}
            <Reason reason={reason} isBrief />
          </li>
        ))}
      </ul>
      {more > 0 ? <a href={href}>{more} more devices</a> : null}
    </article>
  );
}
