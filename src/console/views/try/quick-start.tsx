import { signal } from '@preact/signals';
import type { JSX } from 'preact';
import type { emitApi } from '#shared/contracts/emit-api.js';
import { type Answer, toCall } from '../../api.js';
import { toFailure } from '../../api-error.js';
import { countOf, formatMs } from '../../format.js';
import { Card } from '../../parts/card.js';
import { Code, JsonField } from '../../parts/code.js';
import { bound, TextField } from '../../parts/field.js';
import { parseJson, toPretty } from '../../parts/json.js';
import { Failed } from '../../parts/states.js';
import { hrefTo } from '../../paths.js';
import { isOpen, mayAct, session } from '../../session.js';
import { type Entry, userOfToken } from './log.js';
import { connect, deviceId, entries, link } from './playground.js';
import { toClientCode, toCurl } from './snippets.js';
import { TryPage } from './tabs.js';

const emit = toCall<typeof emitApi.routes.emit>('post', '/emit/:userId/:event');

const NAMESPACE = '/v1/shared';

const userId = signal('64abc123def');
const token = signal('');
const event = signal('notification');
const text = signal('{ "title": "New Lead", "message": "You have a new lead!" }');
const isDurable = signal(false);

/** The last try: what was sent, and what the gateway answered. */
interface Sent {
  readonly at: number;
  readonly event: string;
  readonly answer: Answer<typeof emitApi.routes.emit> | undefined;
  /** Entries with a larger id came after it. */
  readonly afterEntry: number;
}

const sent = signal<Sent | undefined>(undefined);
const failure = signal<Error | undefined>(undefined);
const isUnderWay = signal(false);

/** Connects this page as a user, sends that user an event, and shows how it arrives. */
async function run(): Promise<void> {
  const parsed = parseJson(text.value);
  if (parsed.error !== undefined) return;
  isUnderWay.value = true;
  failure.value = undefined;
  sent.value = undefined;
  try {
    const own = token.value.trim();
    const user = userId.value.trim();
    const { value: current } = link;
    const isThere =
      current.phase === 'on' &&
      current.target.userId === user &&
      current.target.token === own &&
      current.target.namespace === NAMESPACE;
    if (!isThere)
      await connect({ namespace: NAMESPACE, userId: user, scope: 'conversation', accountId: '', token: own });
    const started = {
      at: performance.now() + performance.timeOrigin,
      event: event.value.trim(),
      afterEntry: entries.value[0]?.id ?? 0,
    };
    sent.value = { ...started, answer: undefined };
    const answer = await emit({
      params: { userId: user, event: started.event },
      query: isDurable.value ? { durable: 'true' } : {},
      body: parsed.value ?? {},
    });
    sent.value = { ...started, answer };
  } catch (error) {
    failure.value = toFailure(error);
  } finally {
    isUnderWay.value = false;
  }
}

/** The way of a newcomer: one button, and the code of the same beside it. */
export function QuickStart(): JSX.Element {
  const { origin } = location;
  const command = {
    method: 'POST',
    path: hrefTo(
      '/emit/:userId/:event',
      { userId: userId.value, event: event.value },
      isDurable.value ? { durable: 'true' } : {},
    ),
    headers: {
      ...(isOpen.value ? {} : { 'x-api-key': '<your API key>' }),
      'content-type': 'application/json',
    },
    body: text.value,
  };
  return (
    <TryPage>
      <div class="halves">
        <Card title="See a message arrive">
          <Form />
          <Steps />
        </Card>
        <Card title="The same in your code">
          <Code label="Your backend sends" text={toCurl(command, origin)} />
          <Code label="Your page receives" text={toClientCode({ origin, namespace: NAMESPACE, event: event.value })} />
          <p class="quiet">
            {session.value?.isDevelopment === true ? (
              <>
                This page gets its token from the console. In a terminal:{' '}
                <code>npm run token -- --uid {userId.value} --scope conversation</code>
              </>
            ) : (
              'Tokens are signed by the service that knows your users.'
            )}
          </p>
        </Card>
      </div>
    </TryPage>
  );
}

function Form(): JSX.Element {
  const needsToken = session.value?.isDevelopment !== true;
  const isReady =
    mayAct.value && parseJson(text.value).error === undefined && (!needsToken || token.value.trim() !== '');
  return (
    <form
      class="stack"
      onSubmit={(submitted) => {
        submitted.preventDefault();
        if (!isUnderWay.value) void run();
      }}
    >
      <p>This page connects as a user, and the gateway sends that user an event.</p>
      <div class="fields">
        <TextField label="User" {...bound(userId)} maxLength={128} required />
        <TextField label="Event" {...bound(event)} maxLength={128} required />
      </div>
      {needsToken ? (
        <TextField
          label="Token of the user"
          hint="In production the gateway makes no tokens."
          text={token.value}
          setText={(typed) => {
            token.value = typed;
            userId.value = userOfToken(typed) || userId.value;
          }}
          required
        />
      ) : null}
      <JsonField label="Payload" {...bound(text)} rows={3} />
      <label class="check">
        <input
          type="checkbox"
          checked={isDurable.value}
          onChange={({ currentTarget }) => {
            isDurable.value = currentTarget.checked;
          }}
        />
        Durable: keep it until this page has acknowledged it
      </label>
      <div class="buttons">
        <button type="submit" class="primary large" disabled={!isReady}>
          {isUnderWay.value ? 'Under way…' : link.value.phase === 'on' ? 'Send an event' : 'Connect and send an event'}
        </button>
      </div>
      {mayAct.value ? null : <p class="warn">This session is read-only: it may connect, and not send.</p>}
    </form>
  );
}

/** What happens, step by step. */
function Steps(): JSX.Element {
  const { value: current } = link;
  const { value: last } = sent;
  const arrived =
    last === undefined
      ? undefined
      : entries.value.find(
          ({ id, way, event: name }) => id > last.afterEntry && way === 'in' && [last.event, '_batch'].includes(name),
        );
  return (
    <>
      <ol class="progress" aria-live="polite">
        <Step isDone={current.phase === 'on'} isNow={current.phase === 'connecting'}>
          {current.phase === 'on' ? (
            <>
              Connected as <code>{current.target.userId}</code> to <code>{current.target.namespace}</code>, on the
              device <code>{deviceId()}</code>
            </>
          ) : (
            'This page connects over Socket.IO'
          )}
        </Step>
        <Step
          isDone={last?.answer !== undefined}
          isNow={last !== undefined && last.answer === undefined && failure.value === undefined}
        >
          {last?.answer === undefined ? 'A backend sends the event over REST' : <Answered sent={last} />}
        </Step>
        <Step isDone={arrived !== undefined} isNow={last?.answer !== undefined && arrived === undefined}>
          {arrived === undefined || last === undefined ? (
            'The event arrives here'
          ) : (
            <ArrivedEvent entry={arrived} since={last.at} />
          )}
        </Step>
      </ol>
      {failure.value === undefined ? null : <Failed error={failure.value} retry={() => void run()} />}
      {arrived === undefined ? null : <Next />}
    </>
  );
}

function Step({
  isDone,
  isNow,
  children,
}: {
  isDone: boolean;
  isNow: boolean;
  children: JSX.Element | string;
}): JSX.Element {
  return (
    <li class={isDone ? 'done' : isNow ? 'now' : ''}>
      <div>{children}</div>
    </li>
  );
}

function Answered({ sent: { answer } }: { sent: Sent }): JSX.Element {
  const { id, sockets = 0 } = answer ?? {};
  return (
    <>
      Sent to {countOf(sockets, 'socket')}
      {id === undefined ? null : (
        <>
          , stored as <a href={hrefTo('/console/messages/:id', { id })}>{id}</a>
        </>
      )}
    </>
  );
}

function ArrivedEvent({
  entry: { at, event: name, args, isAcknowledged },
  since,
}: {
  entry: Entry;
  since: number;
}): JSX.Element {
  return (
    <>
      <strong>{name}</strong> arrived {formatMs(Math.max(0, at - since))} after it was sent
      {isAcknowledged === true ? ', and was acknowledged' : ''}
      <pre class="arrived">{toPretty(args.length === 1 ? args[0] : args)}</pre>
    </>
  );
}

function Next(): JSX.Element {
  return (
    <p>
      Next: send events as a client on <a href="/console/try/events">Events</a>, call any route on{' '}
      <a href="/console/try/routes">Routes</a>, or look at{' '}
      <a href={hrefTo('/console/users/:id', { id: userId.value })}>this user</a>.
    </p>
  );
}
