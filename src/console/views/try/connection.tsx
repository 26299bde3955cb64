import { signal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { ApiError } from '../../api-error.js';
import { Card } from '../../parts/card.js';
import { JsonField } from '../../parts/code.js';
import { bound, Field, TextField } from '../../parts/field.js';
import { parseJson, toPretty } from '../../parts/json.js';
import { Failed } from '../../parts/states.js';
import { place } from '../../routes.js';
import { session } from '../../session.js';
import type { Namespace } from './async-api.js';
import { isRecord } from './document.js';
import { scopeIn, userOfToken } from './log.js';
import { connect, disconnect, link, type Target } from './playground.js';

const userId = signal('64abc123def');
const scope = signal<string | undefined>(undefined);
const accountId = signal('');
const token = signal('');
/** The name of a push site, for the namespace that has it in its address. */
const site = signal('');
const auth = signal<string | undefined>(undefined);

/** The form by which this page connects. */
export function ConnectionForm({ namespace, choose, namespaces }: ConnectionProps): JSX.Element {
  useEffect(() => {
    const asked = place.peek().query.get('user');
    if (asked !== null) userId.value = asked;
  }, []);
  const { address, takesToken, access, summary, authExample } = namespace;
  const hasSite = address.includes('{');
  const { value: current } = link;
  const isOpen = current.phase !== 'off' && current.phase !== 'failed';
  const authText = auth.value ?? toPretty(authExample);
  const submit = (submitted: Event): void => {
    submitted.preventDefault();
    const parsed = parseJson(authText);
    if (!takesToken && parsed.error !== undefined) return;
    const target: Target = {
      namespace: address.replace(/\{\w+\}/, site.value.trim()),
      userId: userId.value.trim(),
      scope: scope.value ?? scopeIn(access),
      accountId: accountId.value.trim(),
      token: token.value.trim(),
      auth: takesToken || parsed.error !== undefined || !isRecord(parsed.value) ? undefined : parsed.value,
    };
    // The failure is in `link`.
    connect(target).catch(() => {});
  };
  return (
    <Card title="Connection" note={<Status />}>
      <form class="stack" onSubmit={submit}>
        <div class="fields">
          <Field label="Namespace" hint={summary}>
            {(control) => (
              <select
                {...control}
                value={address}
                onChange={({ currentTarget }) => {
                  choose(currentTarget.value);
                  auth.value = undefined;
                }}
              >
                {namespaces.map((one) => (
                  <option key={one.address} value={one.address}>
                    {one.address}
                  </option>
                ))}
              </select>
            )}
          </Field>
          {hasSite ? <TextField label="Site" {...bound(site)} required /> : null}
          {takesToken ? <OfToken access={access} /> : null}
        </div>
        {takesToken ? (
          <OwnToken />
        ) : (
          <JsonField
            label="auth of the handshake"
            text={authText}
            rows={4}
            setText={(changed) => {
              auth.value = changed;
            }}
          />
        )}
        <div class="buttons">
          <button type="submit" class={isOpen ? '' : 'primary'}>
            {isOpen ? 'Connect again' : 'Connect'}
          </button>
          <button type="button" onClick={disconnect} disabled={current.phase === 'off'}>
            Disconnect
          </button>
        </div>
      </form>
      {current.phase === 'failed' ? <Failure error={current.error} /> : null}
    </Card>
  );
}

interface ConnectionProps {
  readonly namespace: Namespace;
  readonly choose: (address: string) => void;
  readonly namespaces: readonly Namespace[];
}

/** What the token that is made says. */
function OfToken({ access }: { access: string }): JSX.Element {
  const hasOwn = token.value.trim() !== '';
  if (hasOwn)
    return <p class="quiet">The token is of the user {userOfToken(token.value.trim()) || 'that it names'}.</p>;
  if (session.value?.isDevelopment !== true)
    return <p class="quiet">In production the gateway makes no tokens: paste one below.</p>;
  return (
    <>
      <TextField label="User" {...bound(userId)} required />
      <TextField
        label="Scopes"
        hint={access}
        text={scope.value ?? scopeIn(access)}
        setText={(typed) => {
          scope.value = typed;
        }}
      />
      <TextField label="Account (optional)" {...bound(accountId)} />
    </>
  );
}

function OwnToken(): JSX.Element {
  return (
    <details open={session.value?.isDevelopment !== true}>
      <summary>Use a token of your own</summary>
      <TextField label="Token" {...bound(token)} />
    </details>
  );
}

function Status(): JSX.Element {
  const { value: current } = link;
  return (
    <span role="status">
      {current.phase === 'off' ? 'not connected' : null}
      {current.phase === 'connecting' ? 'connecting…' : null}
      {current.phase === 'lost' ? <span class="warn">lost ({current.why}), trying again</span> : null}
      {current.phase === 'failed' ? <span class="bad">not connected</span> : null}
      {current.phase === 'on' ? (
        <span class="dot good">
          {current.target.namespace} as {current.target.userId}
        </span>
      ) : null}
    </span>
  );
}

/** A refusal is no fault of the page. */
const Failure = ({ error }: { error: Error }): JSX.Element =>
  error instanceof ApiError ? (
    <Failed error={error} />
  ) : (
    <p class="state failed" role="alert">
      {error.message}
    </p>
  );
