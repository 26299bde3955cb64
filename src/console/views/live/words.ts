import { formatBytes, formatMs } from '../../format.js';
import type { Tone } from '../../parts/reason.js';
import type { LiveRecord } from './stream.js';

/** How a record looks. */
export function toneOfRecord({ kind, code }: LiveRecord): Tone {
  if (kind === 'refusal' || kind === 'slow') return 'bad';
  if (kind === 'limit') return 'warn';
  if (kind === 'connect') return 'good';
  return typeof code === 'string' && code !== 'SUCCESS' ? 'bad' : '';
}

/** What else a record says, in a few words. */
export function toFacts(record: LiveRecord): string {
  const { address, claimedUserId, sockets, bytes, isDurable, reason, result, tookMs, deviceId } = record;
  const facts = [
    isText(claimedUserId) ? `claims to be ${claimedUserId}` : '',
    isText(address) ? `from ${address}` : '',
    isText(reason) ? reason : '',
    isText(result) ? result : '',
    isText(deviceId) ? `device ${deviceId}` : '',
    typeof sockets === 'number' && record.kind !== 'event' ? `${sockets} ${sockets === 1 ? 'socket' : 'sockets'}` : '',
    typeof bytes === 'number' ? formatBytes(bytes) : '',
    typeof tookMs === 'number' ? formatMs(tookMs) : '',
    isDurable === true ? 'durable' : '',
  ];
  return facts.filter((fact) => fact !== '').join(' · ');
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
