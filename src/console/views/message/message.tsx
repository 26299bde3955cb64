import type { JSX } from 'preact';
import { type DeliveryReason, deliveryReasons } from '#shared/contracts/delivery-reasons.js';
import type { inspection } from '#shared/contracts/inspection.js';
import { type Answer, toCall } from '../../api.js';
import { now } from '../../clock.js';
import { UNKNOWN } from '../../format.js';
import { Card } from '../../parts/card.js';
import { Marked, toSentence } from '../../parts/code.js';
import { Id } from '../../parts/copy.js';
import { DeviceName } from '../../parts/device.js';
import { NodeOfId } from '../../parts/node.js';
import { PageHead } from '../../parts/page.js';
import { Reason, toneOfState } from '../../parts/reason.js';
import { Shown } from '../../parts/states.js';
import { type Column, Table } from '../../parts/table.js';
import { Ago, Time } from '../../parts/time.js';
import { hrefTo, type ViewProps } from '../../paths.js';
import { useLoaded } from '../../polling.js';
import { Lanes } from './lanes.js';
import { type Step, toElapsed, toTimeLine } from './time-line.js';

const getMessage = toCall<typeof inspection.routes.message>('get', '/messages/:id');
const findMessage = toCall<typeof inspection.routes.messages>('get', '/messages');

/** A message, as the route answers. */
type Message = Answer<typeof inspection.routes.message>;

const EVERY_MS = 5000;

/** A message by its id. */
export function MessagePage({ values: { id = '' } }: ViewProps): JSX.Element {
  const loaded = useLoaded((abort) => getMessage({ params: { id } }, abort), { everyMs: EVERY_MS, key: id });
  return (
    <>
      {loaded.data === undefined ? <PageHead title={`Message ${id}`} /> : null}
      <Shown of={loaded}>{(message) => <Shell message={message} />}</Shown>
      <p>
        <a href="/console/messages">Find another message</a>
      </p>
    </>
  );
}

/** A message by the idempotency key of its call. */
export function MessageByKey({ idempotencyKey }: { idempotencyKey: string }): JSX.Element {
  const loaded = useLoaded((abort) => findMessage({ query: { idempotencyKey } }, abort), {
    everyMs: EVERY_MS,
    key: idempotencyKey,
  });
  return <Shown of={loaded}>{(message) => <Shell message={message} />}</Shown>;
}

function Shell({ message }: { message: Message }): JSX.Element {
  const { event, state, devices } = message;
  return (
    <>
      <PageHead title={event}>
        <span class={`tag ${toneOfState(state)}`}>{state}</span>
        <span class="quiet">
          accepted <Ago at={message.acceptedAt} />
        </span>
      </PageHead>
      <Facts message={message} />
      <Card title="Timeline" note="logarithmic scale">
        <Lines message={message} />
      </Card>
      <Card title="Devices" note={String(devices.length)}>
        <Table
          caption="State on each device"
          columns={DEVICE_COLUMNS}
          rows={devices}
          keyOf={({ deviceId }) => String(deviceId)}
          isStacked
        />
      </Card>
    </>
  );
}

function Facts({ message }: { message: Message }): JSX.Element {
  const { id, userId, site, namespace, acceptedAt, node, key, requestId, expiresAt, push } = message;
  const facts: readonly (readonly [string, JSX.Element | string])[] = [
    ['Id', <Id key="id" id={id} />],
    [
      'User',
      site === null ? (
        <Id key="user" id={userId} href={hrefTo('/console/users/:id', { id: userId })} />
      ) : (
        <Id key="user" id={userId} />
      ),
    ],
    ...(site === null ? [] : [['Site', site] as const]),
    ['Namespace', <code key="namespace">{namespace === '*' ? '* (all of users)' : namespace}</code>],
    ['Accepted', <Time key="accepted" at={acceptedAt} />],
    ['By node', node === null ? 'not recorded' : <NodeOfId key="node" id={node} />],
    ['API key', key ?? 'not recorded'],
    ['Request', requestId === null ? 'not recorded' : <Id key="request" id={requestId} />],
    ['Expires', expiresAt === null ? 'never (no ttl)' : <Ago key="expires" at={expiresAt} />],
    ['Push', toPush(push)],
  ];
  return (
    <dl class="card facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function toPush(push: Message['push']): JSX.Element | string {
  if (push === null) return 'without push';
  const { state, dueAt, attempts, pushedAt } = push;
  if (state === 'pushed') return <>shown {pushedAt === null ? '' : <Ago at={pushedAt} />}</>;
  if (state === 'over') return 'not sent: acknowledged, expired, no token, or it failed';
  return (
    <>
      due <Ago at={dueAt} />
      {attempts === null || attempts === 0 ? '' : `, after ${attempts} attempts`}
    </>
  );
}

function Lines({ message }: { message: Message }): JSX.Element {
  const line = toTimeLine(message, now.value);
  return (
    <>
      <Lanes line={line} />
      {line.more > 0 ? <p class="quiet">{line.more} more devices are in the list of devices.</p> : null}
      <ol class="steps">
        {message.steps.map((step) => (
          <li key={`${step.at}${step.what}${step.deviceId ?? ''}`}>
            <Time at={step.at} />
            <span class="quiet number">
              {toElapsed(Math.max(0, Date.parse(step.at) - Date.parse(message.acceptedAt)))}
            </span>
            <span>
              <StepText step={step} message={message} />
            </span>
          </li>
        ))}
      </ol>
    </>
  );
}

function StepText({ step: { what, deviceId, detail }, message }: { step: Step; message: Message }): JSX.Element {
  const device = deviceId === undefined ? null : <DeviceName id={deviceId} />;
  switch (what) {
    case 'accepted':
      return (
        <>
          <strong>Accepted and stored</strong>
          {message.key === null ? '' : `, with the key ${message.key}`}
        </>
      );
    case 'sent':
      return (
        <>
          <strong>Sent</strong> to {device}
        </>
      );
    case 'acknowledged':
      return (
        <>
          <strong class="good">Acknowledged</strong> by the application on {device}
        </>
      );
    case 'pushDue':
      return (
        <>
          <strong>Push is due</strong>, unless a device acknowledges it
        </>
      );
    case 'pushed':
      return <strong class="good">Shown by push</strong>;
    case 'expired':
      return (
        <>
          <strong class="bad">Given up</strong> {device === null ? null : <>for {device}</>}
          {detail !== undefined && Object.hasOwn(deliveryReasons, detail) ? (
            <>
              : <Marked text={toSentence(deliveryReasons[detail as DeliveryReason])} />
            </>
          ) : null}
        </>
      );
    default:
      return (
        <>
          <strong>{what}</strong> {device} {detail}
        </>
      );
  }
}

const DEVICE_COLUMNS: readonly Column<Message['devices'][number]>[] = [
  { label: 'Device', cell: ({ deviceId }) => (deviceId === null ? 'no device known' : <DeviceName id={deviceId} />) },
  {
    label: 'State',
    cell: ({ state }) => (state === null ? UNKNOWN : <span class={`tag ${toneOfState(state)}`}>{state}</span>),
  },
  { label: 'Since', cell: ({ at }) => <Time at={at} /> },
  {
    label: 'Why',
    cell: ({ reason }) => (
      <div class="wrap why">
        <Reason reason={reason} />
      </div>
    ),
  },
];
