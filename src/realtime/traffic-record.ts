import type { LiveKind, LiveRecord } from '#shared/contracts/traffic.js';

/** What happened on this node. */
export interface NodeRecord extends Omit<LiveRecord, 'node'> {
  readonly payload?: readonly unknown[];
}

/** Something that happened, before its arguments are measured. */
export interface Observation extends Partial<Omit<NodeRecord, 'at' | 'kind' | 'payload'>> {
  readonly kind: LiveKind;
  readonly args?: readonly unknown[] | undefined;
}

/** Characters of a text that a client or a backend chose. */
const TEXT_MAX = 128;
/** Larger payloads are not shown: other nodes send what they show through Redis. */
const PAYLOAD_MAX_BYTES = 16_384;

/** What a record says beside the observation. */
interface RecordOptions {
  /** Unix time in milliseconds. */
  readonly at: number;
  readonly sockets: number;
  readonly userId: string | null;
  readonly hasPayload: boolean;
}

/** Measures what was observed, and cuts texts that a client or a backend chose. */
export function toNodeRecord(observation: Observation, { at, sockets, userId, hasPayload }: RecordOptions): NodeRecord {
  const { kind, args, ...observed } = observation;
  const bytes = observed.bytes ?? (args === undefined ? null : bytesOf(args));
  const isShown = hasPayload && (bytes ?? 0) <= PAYLOAD_MAX_BYTES;
  const payload = isShown && args !== undefined && { payload: args.map(toShowable) };
  return {
    at: new Date(at).toISOString(),
    kind,
    ...toCut(observed),
    namespace: cut(observed.namespace),
    event: cut(observed.event),
    userId: cut(userId),
    code: cut(observed.code),
    sockets,
    bytes,
    ...payload,
  };
}

const cut = (text: string | null | undefined): string | null => text?.slice(0, TEXT_MAX) ?? null;

/** The optional fields that are there. */
const toCut = ({ address, claimedUserId, deviceId, isDurable, messageId, detail }: Partial<Observation>) => ({
  ...(address !== undefined && { address }),
  ...(claimedUserId !== undefined && { claimedUserId: claimedUserId.slice(0, TEXT_MAX) }),
  ...(deviceId !== undefined && { deviceId }),
  ...(isDurable !== undefined && { isDurable }),
  ...(messageId !== undefined && { messageId }),
  ...(detail !== undefined && { detail: detail.slice(0, TEXT_MAX) }),
});

const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array;

const toShowable = (value: unknown): unknown => (isBytes(value) ? `${value.length} bytes` : value);

const bytesOf = (args: readonly unknown[]): number =>
  args.reduce<number>(
    (sum, arg) => sum + (isBytes(arg) ? arg.length : Buffer.byteLength(JSON.stringify(arg) ?? '')),
    0,
  );
