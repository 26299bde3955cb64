import type { LiveRecord } from '#shared/contracts/traffic.js';
import { countOf, formatBytes, isolate } from '../../format.js';
import type { Tone } from '../../parts/reason.js';

/** How a record looks. */
export function toneOfRecord({ kind, code }: Pick<LiveRecord, 'kind' | 'code'>): Tone {
  switch (kind) {
    case 'refusal':
    case 'slow':
      return 'bad';
    case 'limit':
      return 'warn';
    case 'connect':
      return 'good';
    case 'event':
      return code === null || code === 'SUCCESS' ? '' : 'bad';
    case 'push':
      return code === null || code === 'sent' ? '' : 'warn';
    default:
      return '';
  }
}

/** What else a record says, in a few words. */
export function toFacts(record: LiveRecord): string {
  const { kind, address, claimedUserId, sockets, bytes, isDurable, detail, deviceId } = record;
  const facts = [
    claimedUserId === undefined ? '' : `claims to be ${isolate(claimedUserId)}`,
    address === undefined ? '' : `from ${address}`,
    deviceId === undefined ? '' : `device ${isolate(deviceId)}`,
    detail === undefined ? '' : isolate(detail),
    kind === 'sent' ? `to ${countOf(sockets, 'socket')}` : '',
    kind === 'push' ? countOf(sockets, 'token') : '',
    bytes === null ? '' : `${formatBytes(bytes)}${kind === 'slow' ? ' dropped' : ''}`,
    isDurable === true ? 'durable' : '',
  ];
  return facts.filter((fact) => fact !== '').join(' · ');
}
