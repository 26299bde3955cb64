import { signal } from '@preact/signals';
import type { JSX } from 'preact';
import { useId, useState } from 'preact/hooks';
import { Card } from '../../parts/card.js';
import { JsonField, Marked } from '../../parts/code.js';
import { Field } from '../../parts/field.js';
import { parseJson, toPretty } from '../../parts/json.js';
import { Empty, Shown } from '../../parts/states.js';
import { hrefTo } from '../../paths.js';
import { useLoaded } from '../../polling.js';
import { navigate, place } from '../../routes.js';
import type { EventOffer, Namespace } from './async-api.js';
import { ConnectionForm } from './connection.js';
import { loadNamespaces } from './documents.js';
import { Entries } from './entries.js';
import { type ChosenFile, FileField, type Files, withFileNames, withFiles } from './files.js';
import { emit, link } from './playground.js';
import { TryPage } from './tabs.js';

const PAGE = '/console/try/events';
const FIRST = '/v1/shared';

/** What was typed, by namespace and event. */
const drafts = signal<Readonly<Record<string, string>>>({});

/** A client: it connects, sends the events of its namespace, and shows what comes. The namespace is in the address. */
export function Events(): JSX.Element {
  const loaded = useLoaded(loadNamespaces);
  return (
    <TryPage>
      <Shown of={loaded}>{(namespaces) => <Playground namespaces={namespaces} />}</Shown>
    </TryPage>
  );
}

function Playground({ namespaces }: { namespaces: readonly Namespace[] }): JSX.Element {
  const { query } = place.value;
  const asked = query.get('namespace') ?? FIRST;
  const namespace = namespaces.find(({ address }) => address === asked) ?? namespaces[0];
  if (namespace === undefined) return <Empty>The gateway describes no namespace.</Empty>;
  const choose = (address: string): void =>
    navigate(hrefTo(PAGE, {}, { namespace: address, user: query.get('user') ?? '' }), { isReplacement: true });
  return (
    <>
      <ConnectionForm namespace={namespace} choose={choose} namespaces={namespaces} />
      <div class="halves">
        <Card title="Send" note={`${namespace.sends.length} events`}>
          <Sender key={namespace.address} namespace={namespace} />
        </Card>
        <Entries />
      </div>
      <Card title="What the gateway sends here" note={`${namespace.receives.length} events`}>
        <Received offers={namespace.receives} />
      </Card>
    </>
  );
}

function Sender({ namespace: { address, sends } }: { namespace: Namespace }): JSX.Element {
  const list = useId();
  const [name, setName] = useState(toFirst(sends));
  const offer = sends.find((one) => one.name === name);
  const key = `${address} ${name}`;
  const text = drafts.value[key] ?? toExample(offer);
  const parsed = parseJson(text);
  const isOn = link.value.phase === 'on';
  const [files, setFiles] = useState<Files>({});
  const binaryAt = offer?.binaryAt ?? [];
  const lacksFile = binaryAt.some((index) => files[index] === undefined);
  const choose = (index: number, file: ChosenFile | undefined): void => {
    setFiles({ ...files, [index]: file });
    if (file === undefined || parsed.error !== undefined) return;
    drafts.value = { ...drafts.value, [key]: toPretty(withFileNames(parsed.value, file)) };
  };
  const submit = (submitted: Event): void => {
    submitted.preventDefault();
    if (!isOn || parsed.error !== undefined || name === '' || lacksFile) return;
    void emit(name, withFiles(toArguments(parsed.value, offer), binaryAt, files));
  };
  return (
    <form class="stack" onSubmit={submit}>
      <Field
        label="Event"
        hint={offer === undefined ? 'This name is not in the contract.' : <Description offer={offer} />}
      >
        {(control) => (
          <>
            <input
              {...control}
              list={list}
              value={name}
              required
              autocomplete="off"
              spellcheck={false}
              onInput={({ currentTarget }) => {
                setName(currentTarget.value);
                setFiles({});
              }}
              onFocus={({ currentTarget }) => currentTarget.select()}
            />
            <datalist id={list}>
              {sends.map((one) => (
                <option key={one.name} value={one.name}>
                  {one.summary}
                </option>
              ))}
            </datalist>
          </>
        )}
      </Field>
      <JsonField
        label={isList(offer) ? 'Arguments, as a list' : 'Data'}
        text={text}
        rows={Math.min(18, Math.max(4, text.split('\n').length))}
        setText={(changed) => {
          drafts.value = { ...drafts.value, [key]: changed };
        }}
      />
      {binaryAt.map((index) => (
        <FileField
          key={`${name} ${index}`}
          label={`File, the argument ${index + 1}`}
          choose={(file) => choose(index, file)}
        />
      ))}
      <div class="buttons">
        <button type="submit" class="primary" disabled={!isOn || parsed.error !== undefined || lacksFile}>
          Emit
        </button>
        <button
          type="button"
          onClick={() => {
            const { [key]: _, ...others } = drafts.value;
            drafts.value = others;
          }}
          disabled={drafts.value[key] === undefined}
        >
          Reset to example
        </button>
        {isOn ? null : <span class="quiet">Connect first.</span>}
        {isOn && lacksFile ? <span class="quiet">Choose a file first.</span> : null}
      </div>
    </form>
  );
}

/** The first event that is about something: a new token is sent by clients when they must. */
const toFirst = (sends: readonly EventOffer[]): string =>
  (sends.find(({ name }) => name !== 'refresh_token') ?? sends[0])?.name ?? '';

const isList = (offer: EventOffer | undefined): boolean => (offer?.example.length ?? 0) > 1;

const toExample = (offer: EventOffer | undefined): string =>
  isList(offer) ? toPretty(offer?.example) : toPretty(offer?.example[0]);

/** Events that take several arguments are edited as a list of them. */
function toArguments(value: unknown, offer: EventOffer | undefined): readonly unknown[] {
  if (value === undefined) return [];
  return isList(offer) && Array.isArray(value) ? value : [value];
}

function Description({ offer: { summary, description } }: { offer: EventOffer }): JSX.Element {
  return (
    <>
      <Marked text={summary} /> {description}
    </>
  );
}

function Received({ offers }: { offers: readonly EventOffer[] }): JSX.Element {
  return (
    <ul class="offers">
      {offers.map((offer) => (
        <li key={offer.name}>
          <details>
            <summary>
              <strong>{offer.name === '' ? 'any event name' : offer.name}</strong>{' '}
              <span class="quiet">
                <Marked text={offer.summary} />
              </span>
            </summary>
            <pre>{offer.example.length === 0 ? 'no data' : toExample(offer)}</pre>
          </details>
        </li>
      ))}
    </ul>
  );
}
