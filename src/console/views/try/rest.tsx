import { signal } from '@preact/signals';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { toFailure } from '../../api-error.js';
import { formatBytes, formatMs } from '../../format.js';
import { Card } from '../../parts/card.js';
import { Code, JsonField, Marked } from '../../parts/code.js';
import { bound, Field, TextField } from '../../parts/field.js';
import { parseJson } from '../../parts/json.js';
import { Empty, Shown } from '../../parts/states.js';
import { hrefTo } from '../../paths.js';
import { useLoaded } from '../../polling.js';
import { navigate, place } from '../../routes.js';
import { isOpen } from '../../session.js';
import { loadRoutes } from './documents.js';
import { type Filled, keyOf, missingOf, type Parameter, type RouteOffer, toFilled, toRequest } from './open-api.js';
import { link } from './playground.js';
import { type Answered, send } from './send.js';
import { toCurl } from './snippets.js';
import { TryPage } from './tabs.js';

const PAGE = '/console/try/routes';
const FIRST = 'emit-api.emit';

/** What was typed, by the id of its route. */
const drafts = signal<Readonly<Record<string, Filled>>>({});
/** The token of a user, or the key of a site, for routes that take one. */
const credential = signal('');

/** A form for each REST route. The route is in the address. */
export function Routes(): JSX.Element {
  const loaded = useLoaded(loadRoutes);
  return (
    <TryPage>
      <Shown of={loaded}>{(routes) => <Chooser routes={routes} />}</Shown>
    </TryPage>
  );
}

function Chooser({ routes }: { routes: readonly RouteOffer[] }): JSX.Element {
  const asked = place.value.query.get('route') ?? FIRST;
  const route = routes.find(({ id }) => id === asked) ?? routes[0];
  if (route === undefined) return <Empty>The gateway describes no route.</Empty>;
  const tags = [...new Set(routes.map(({ tag }) => tag))];
  return (
    <>
      <div class="card">
        <Field label="Route" hint={<Marked text={`${route.summary} ${route.description}`.trim()} />}>
          {(control) => (
            <select
              {...control}
              value={route.id}
              onChange={({ currentTarget }) => navigate(hrefTo(PAGE, {}, { route: currentTarget.value }))}
            >
              {tags.map((tag) => (
                <optgroup key={tag} label={tag}>
                  {routes
                    .filter((one) => one.tag === tag)
                    .map(({ id, method, path }) => (
                      <option key={id} value={id}>
                        {method} {path}
                      </option>
                    ))}
                </optgroup>
              ))}
            </select>
          )}
        </Field>
      </div>
      <Form key={route.id} route={route} />
    </>
  );
}

function Form({ route }: { route: RouteOffer }): JSX.Element {
  const filled = drafts.value[route.id] ?? toFilled(route, knownValues());
  const [answered, setAnswered] = useState<Answered>();
  const [error, setError] = useState<Error>();
  const [isUnderWay, setUnderWay] = useState(false);
  const change = (changed: Partial<Filled>): void => {
    drafts.value = { ...drafts.value, [route.id]: { ...filled, ...changed } };
  };
  const missing = missingOf(route, filled);
  const isWrong = route.body !== undefined && parseJson(filled.body).error !== undefined;
  const request = toRequest(route, filled);
  const takesCredential = route.caller === 'user' || route.caller === 'site';

  const submit = async (submitted: Event): Promise<void> => {
    submitted.preventDefault();
    setUnderWay(true);
    setError(undefined);
    try {
      setAnswered(await send(request, takesCredential ? credential.value.trim() : ''));
    } catch (failure) {
      setAnswered(undefined);
      setError(toFailure(failure));
    } finally {
      setUnderWay(false);
    }
  };

  return (
    <div class="halves">
      <Card title="Request" note={<code>{`${route.method} ${route.path}`}</code>}>
        <form class="stack" onSubmit={(submitted) => void submit(submitted)}>
          {route.parameters.length === 0 ? null : (
            <div class="fields">
              {route.parameters.map((parameter) => (
                <OneParameter
                  key={keyOf(parameter)}
                  parameter={parameter}
                  value={filled.values[keyOf(parameter)] ?? ''}
                  change={(value) => change({ values: { ...filled.values, [keyOf(parameter)]: value } })}
                />
              ))}
            </div>
          )}
          {route.body === undefined ? null : (
            <JsonField
              label={route.body.isRequired ? 'Body' : 'Body (optional)'}
              text={filled.body}
              rows={Math.min(18, Math.max(4, filled.body.split('\n').length))}
              setText={(body) => change({ body })}
            />
          )}
          {takesCredential ? <Credential caller={route.caller} /> : null}
          <div class="buttons">
            <button
              type="submit"
              class={route.method === 'DELETE' ? 'danger primary' : 'primary'}
              disabled={isUnderWay || isWrong || missing.length > 0}
            >
              {isUnderWay ? 'Sending…' : `Send ${route.method}`}
            </button>
            {missing.length === 0 ? null : <span class="quiet">Fill in: {missing.join(', ')}</span>}
          </div>
        </form>
      </Card>
      <Card title="Answer" note={answered === undefined ? undefined : <AnswerNote answered={answered} />}>
        {error === undefined ? null : (
          <p class="bad" role="alert">
            No answer: {error.message}
          </p>
        )}
        {answered === undefined ? (
          <Empty>Send the request to see the answer.</Empty>
        ) : (
          <AnswerText answered={answered} />
        )}
        <Code
          label="The same in a terminal"
          text={toCurl({ ...request, headers: { ...request.headers, ...toAuth(route) } }, location.origin)}
        />
      </Card>
    </div>
  );
}

/** The user that this page is connected as is a better example than one of the documents. */
function knownValues(): Record<string, string> {
  const { value: current } = link;
  return current.phase === 'on' ? { userId: current.target.userId, event: 'notification' } : {};
}

/** The header of a call that does not go through the console. */
function toAuth({ caller }: RouteOffer): Record<string, string> {
  if (caller === 'anyone' || (caller === 'backend' && isOpen.value)) return {};
  if (caller === 'backend') return { 'x-api-key': '<your API key>' };
  return { authorization: caller === 'user' ? 'Bearer <token of the user>' : 'Bearer <key of the site>' };
}

function Credential({ caller }: Pick<RouteOffer, 'caller'>): JSX.Element {
  return (
    <TextField
      label={caller === 'user' ? 'Token of the user' : 'Key of the site'}
      hint="This route does not take the session of the console."
      {...bound(credential)}
    />
  );
}

interface ParameterProps {
  readonly parameter: Parameter;
  readonly value: string;
  readonly change: (value: string) => void;
}

function OneParameter({ parameter, value, change }: ParameterProps): JSX.Element {
  const { name, place: where, isRequired, mayBeEmpty, description, byDefault, options, example } = parameter;
  const notes = [
    where === 'header' ? 'Header.' : '',
    description,
    byDefault === '' ? '' : `Default: ${byDefault}.`,
  ].filter((note) => note !== '');
  return (
    <Field
      label={isRequired ? name : `${name} (optional)`}
      {...(notes.length === 0 ? {} : { hint: <Marked text={notes.join(' ')} /> })}
    >
      {(control) =>
        options.length === 0 ? (
          <input
            {...control}
            value={value}
            required={isRequired && !mayBeEmpty}
            placeholder={example === '' ? undefined : `such as ${example}`}
            autocomplete="off"
            spellcheck={false}
            onInput={({ currentTarget }) => change(currentTarget.value)}
          />
        ) : (
          <select {...control} value={value} onChange={({ currentTarget }) => change(currentTarget.value)}>
            {isRequired ? null : <option value="">not set</option>}
            {options.map((option) => (
              <option key={option} value={option}>
                {option}
              </option>
            ))}
          </select>
        )
      }
    </Field>
  );
}

function AnswerNote({ answered: { status, statusText, tookMs, bytes } }: { answered: Answered }): JSX.Element {
  return (
    <span role="status">
      <span class={`tag ${status < 400 ? 'good' : 'bad'}`}>
        {status} {statusText}
      </span>{' '}
      {formatMs(tookMs)} · {formatBytes(bytes)}
    </span>
  );
}

function AnswerText({ answered: { text, type, isCut } }: { answered: Answered }): JSX.Element {
  if (text === undefined) return <p class="quiet">The answer is of the type {type}, and not shown.</p>;
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard */}
      <pre class="answer" tabIndex={0}>
        {text === '' ? 'The answer is empty.' : text}
      </pre>
      {isCut ? <p class="quiet">The rest is left out.</p> : null}
    </>
  );
}
