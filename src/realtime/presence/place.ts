import type { Place } from './index.js';

/** A place as text without a `:`, by which what stands beside it is told apart. */
export const toText = ({ namespace, deviceId }: Place): string =>
  `${encodeURIComponent(namespace)},${encodeURIComponent(deviceId)}`;

/** The place that a text of {@link toText} stands for. */
export function toPlace(text: string): Place {
  const [namespace = '', deviceId = ''] = text.split(',').map(decodeURIComponent);
  return { namespace, deviceId };
}
