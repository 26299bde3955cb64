import type { Place } from './index.js';

/** Encodes a place as text without `:`, which separates it from other fields. */
export const toText = ({ namespace, deviceId }: Place): string =>
  `${encodeURIComponent(namespace)},${encodeURIComponent(deviceId)}`;

/** Decodes a text of {@link toText}. */
export function toPlace(text: string): Place {
  const [namespace = '', deviceId = ''] = text.split(',').map(decodeURIComponent);
  return { namespace, deviceId };
}
