import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Field } from '../../parts/field.js';
import { PageHead } from '../../parts/page.js';
import { Empty } from '../../parts/states.js';
import { hrefTo } from '../../paths.js';
import { navigate, place } from '../../routes.js';
import { MessageByKey } from './message.js';

const ID = /^[0-9a-f]{24}$/;

/** Finds a message by its id or its idempotency key. A key stays in the address. */
export function MessageSearch(): JSX.Element {
  const key = place.value.query.get('key') ?? '';
  return (
    <>
      {key === '' ? <PageHead title="Messages" /> : null}
      <Search key={key} initial={key} />
      {key === '' ? (
        <Empty>
          <p>A durable message has a page: when it was accepted, sent and acknowledged, device by device.</p>
          <p>
            Its id is in the answer to <code>POST /emit</code>, and in the messages of a{' '}
            <a href="/console/users">user</a>.
          </p>
        </Empty>
      ) : (
        <MessageByKey idempotencyKey={key} />
      )}
    </>
  );
}

function Search({ initial }: { initial: string }): JSX.Element {
  const [text, setText] = useState(initial);
  const search = (event: Event): void => {
    event.preventDefault();
    const asked = text.trim();
    const id = asked.toLowerCase();
    navigate(ID.test(id) ? hrefTo('/console/messages/:id', { id }) : hrefTo('/console/messages', {}, { key: asked }));
  };
  return (
    <form class="card search" onSubmit={search}>
      <Field label="Message id or idempotency key" hint="A key is known for 24 hours after its first use.">
        {(control) => (
          <input
            {...control}
            type="search"
            autofocus
            autocomplete="off"
            spellcheck={false}
            maxLength={128}
            required
            value={text}
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
        )}
      </Field>
      <button type="submit" class="primary">
        Find
      </button>
    </form>
  );
}
