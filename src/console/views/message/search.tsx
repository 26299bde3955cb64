import type { JSX } from 'preact';
import { PageHead } from '../../parts/page.js';
import { SearchForm } from '../../parts/search.js';
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
      <SearchForm
        key={key}
        label="Message id or idempotency key"
        hint="A key is known for 24 hours after its first use."
        action="Find"
        initial={key}
        search={search}
      />
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

function search(text: string): void {
  const id = text.toLowerCase();
  navigate(ID.test(id) ? hrefTo('/console/messages/:id', { id }) : hrefTo('/console/messages', {}, { key: text }));
}
