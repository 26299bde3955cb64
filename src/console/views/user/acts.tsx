import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { administration } from '#shared/contracts/administration.js';
import type { emitApi } from '#shared/contracts/emit-api.js';
import { toCall } from '../../api.js';
import { ApiError } from '../../api-error.js';
import { countOf } from '../../format.js';
import { Act } from '../../parts/act.js';
import { JsonField } from '../../parts/code.js';
import { Field, TextField } from '../../parts/field.js';
import { parseJson } from '../../parts/json.js';
import { Time } from '../../parts/time.js';
import { hrefTo } from '../../paths.js';
import type { ActContext } from './context.js';

const emit = toCall<typeof emitApi.routes.emit>('post', '/emit/:userId/:event');
const disconnect = toCall<typeof emitApi.routes.disconnect>('post', '/users/:userId/disconnect');
const block = toCall<typeof administration.routes.block>('post', '/users/:userId/block');
const unblock = toCall<typeof administration.routes.unblock>('delete', '/users/:userId/block');

const NAMESPACES = ['/v1/shared', '/v1/conversation', '/v1/conversation/live', '*'] as const;

/** How an event is sent. */
type Way = 'plain' | 'durable' | 'push';

const WAYS: readonly (readonly [Way, string])[] = [
  ['plain', 'Plain: to the sockets that are open now'],
  ['durable', 'Durable: kept until each device has acknowledged it'],
  ['push', 'Push: durable, and shown by push unless a device acknowledges it'],
];

/** Sends an event to the user. */
export function SendEvent({ userId, done }: ActContext): JSX.Element {
  const [event, setEvent] = useState('notification');
  const [namespace, setNamespace] = useState<(typeof NAMESPACES)[number]>('/v1/shared');
  const [way, setWay] = useState<Way>('durable');
  const [text, setText] = useState('{ "title": "Hello", "message": "A test from the console" }');

  const run = async (): Promise<void> => {
    const parsed = parseJson(text);
    if (parsed.error !== undefined) throw toInputError('payload', parsed.error);
    const { id, sockets } = await emit({
      params: { userId, event: event.trim() },
      query: { namespace, ...(way === 'plain' ? {} : { [way]: 'true' }) },
      body: parsed.value ?? {},
    });
    const reached = `It reached ${countOf(sockets, 'socket')} of the node that answered.`;
    done(
      <>
        <bdi>{event}</bdi> was sent. {reached}{' '}
        {id === undefined ? null : <a href={hrefTo('/console/messages/:id', { id })}>See what becomes of it</a>}
      </>,
    );
  };

  return (
    <Act label="Send an event" subject={`to ${userId}`} run={run}>
      <TextField label="Event" text={event} setText={setEvent} maxLength={128} required />
      <Field label="Namespace">
        {(control) => (
          <select
            {...control}
            value={namespace}
            onChange={({ currentTarget }) =>
              setNamespace(NAMESPACES.find((one) => one === currentTarget.value) ?? '/v1/shared')
            }
          >
            {NAMESPACES.map((one) => (
              <option key={one} value={one}>
                {one === '*' ? '* (all namespaces of users)' : one}
              </option>
            ))}
          </select>
        )}
      </Field>
      <fieldset class="choices">
        <legend>Delivery</legend>
        {WAYS.map(([name, label]) => (
          <label key={name}>
            <input type="radio" name="way" checked={way === name} onChange={() => setWay(name)} />
            {label}
          </label>
        ))}
      </fieldset>
      <JsonField label="Payload" text={text} setText={setText} rows={5} />
    </Act>
  );
}

const toInputError = (path: string, message: string): ApiError =>
  new ApiError(0, 'VALIDATION_ERROR', { details: [{ path, message }], retryAfterMs: undefined, requestId: undefined });

const SECONDS = 60;
const BLOCK_MINUTES_MAX = 43_200;

/** A number of minutes. */
function Minutes({ label, hint, minutes, setMinutes, min }: MinutesProps): JSX.Element {
  return (
    <Field label={label} hint={hint}>
      {(control) => (
        <input
          {...control}
          type="number"
          inputMode="numeric"
          min={min}
          max={BLOCK_MINUTES_MAX}
          step={1}
          required
          value={minutes}
          onInput={({ currentTarget }) => setMinutes(currentTarget.value)}
        />
      )}
    </Field>
  );
}

interface MinutesProps {
  readonly label: string;
  readonly hint: string;
  readonly minutes: string;
  readonly setMinutes: (text: string) => void;
  readonly min: number;
}

/** Ends all connections of the user, and keeps the user out for a time. */
export function Disconnect({ userId, done }: ActContext): JSX.Element {
  const [minutes, setMinutes] = useState('0');
  const [reason, setReason] = useState('');
  const run = async (): Promise<void> => {
    const seconds = Number(minutes) * SECONDS;
    await disconnect({
      params: { userId },
      body: {
        ...(reason.trim() === '' ? {} : { reason: reason.trim() }),
        ...(seconds > 0 ? { block_seconds: seconds } : {}),
      },
    });
    done(
      seconds > 0 ? `Disconnected, and kept out for ${minutes} min.` : 'Disconnected. The clients may connect again.',
    );
  };
  return (
    <Act label="Disconnect" subject={userId} isDangerous run={run}>
      <p>All sockets of the user are closed, on every node, within a second.</p>
      <Minutes
        label="Keep out for minutes"
        hint="0: the clients may connect again at once."
        min={0}
        minutes={minutes}
        setMinutes={setMinutes}
      />
      <Field label="Reason (optional)" hint="Clients get it with the event disconnected.">
        {(control) => (
          <input
            {...control}
            value={reason}
            maxLength={256}
            onInput={({ currentTarget }) => setReason(currentTarget.value)}
          />
        )}
      </Field>
    </Act>
  );
}

/** Blocks the user, or ends the block. */
export function Block({ userId, done, blockedUntil }: ActContext & { blockedUntil: string | null }): JSX.Element {
  const [minutes, setMinutes] = useState('15');
  if (blockedUntil !== null) {
    return (
      <Act
        label="Unblock"
        subject={userId}
        run={async () => {
          await unblock({ params: { userId } });
          done('The block is ended.');
        }}
      >
        <p>
          The user is blocked until <Time at={blockedUntil} />. After this, clients may connect again.
        </p>
      </Act>
    );
  }
  return (
    <Act
      label="Block"
      subject={userId}
      isDangerous
      run={async () => {
        await block({ params: { userId }, body: { seconds: Number(minutes) * SECONDS } });
        done(`Blocked for ${minutes} min.`);
      }}
    >
      <p>Open sockets are closed within a second, on every node, and connects and calls of the user are refused.</p>
      <Minutes
        label="Minutes"
        hint="Up to 43,200, which are 30 days."
        min={1}
        minutes={minutes}
        setMinutes={setMinutes}
      />
    </Act>
  );
}
