import type { JSX } from 'preact';
import { Id } from './copy.js';

/** The id of a device. Clients that name none share one device without a name. */
export const DeviceName = ({ id }: { id: string }): JSX.Element =>
  id === '' ? <span class="quiet">no device id</span> : <Id id={id} />;
