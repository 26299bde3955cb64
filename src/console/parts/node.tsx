import type { JSX } from 'preact';
import { useNodeName } from '../node-names.js';
import { hrefTo } from '../paths.js';
import { CopyButton } from './copy.js';

/** A node by its name, which leads to its page, with a button that copies its id. */
export function Node({ id, name }: { id: string; name: string | null }): JSX.Element {
  return (
    <span class="id" title={toTitle(id, name ?? id)}>
      <a class="cut" href={hrefTo('/console/nodes/:id', { id })}>
        {name ?? id}
      </a>
      <CopyButton text={id} label={`the id of ${name ?? 'the node'}`} />
    </span>
  );
}

/** What a name that is cut says in whole, with the id that calls take. */
export const toTitle = (id: string, name: string): string => (name === id ? id : `${name}\n${id}`);

/** A node of which only the id is known. */
export const NodeOfId = ({ id }: { id: string }): JSX.Element => <Node id={id} name={useNodeName(id)} />;
