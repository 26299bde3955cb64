/**
 * What a mailbox means of which fields are missing or have wrong types. Of what cannot be read a device gets too much rather than
 * too little: messages come again, and where it is not known what was lost there is a `_resync`.
 */
import { expiryReasons } from '#shared/models/delivery.js';
import { isPlain, readBoolean, readDate } from '../../../models/index.js';
import type { Acked, AckedByNamespace } from './acked.js';
import type { Mailbox, StoredDevice, StoredExpiration } from './mailbox.js';
import { isPosition, isTime } from './sound-entry.js';

type Stored = Readonly<Record<string, unknown>>;

/** Whether a stored mailbox is as the gateway writes it. */
export function isSoundMailbox(stored: Stored): boolean {
  const { start, devices, resyncFlags, flagsUnknownDevices, expirations } = stored;
  return (
    (start === undefined || isPosition(start)) &&
    (devices === undefined || areSoundDevices(devices)) &&
    (resyncFlags === undefined || (Array.isArray(resyncFlags) && resyncFlags.every(isDeviceIdOrNull))) &&
    (flagsUnknownDevices === undefined || typeof flagsUnknownDevices === 'boolean') &&
    (expirations === undefined || (Array.isArray(expirations) && expirations.every(isExpiration)))
  );
}

/** Whether the stored devices of a mailbox are as the gateway writes them. */
export const areSoundDevices = (devices: unknown): devices is StoredDevice[] =>
  Array.isArray(devices) && devices.every(isDevice);

/** @param now for devices of which it is not known when they were seen */
export function toSoundMailbox(stored: Stored, now: Date): Mailbox {
  const { devices, resyncFlags, flagsUnknownDevices } = stored;
  const elements = [devices ?? []].flat();
  const known = withoutRepeated(elements.flatMap((element) => toDevice(element, now)));
  const flags: unknown[] = [resyncFlags ?? []].flat();
  const areFlagsKnown = flags.every(isDeviceIdOrNull);
  return {
    start: isPosition(stored['start']) ? stored['start'] : 0,
    devices: known,
    resyncFlags: areFlagsKnown ? flags : known.map(({ id }) => id),
    // A device that is not known any more may have lost anything.
    flagsUnknownDevices:
      !areFlagsKnown ||
      known.length < elements.length ||
      (flagsUnknownDevices != null && readBoolean(flagsUnknownDevices) !== false),
    expirations: [stored['expirations'] ?? []].flat().filter(isExpiration),
  };
}

const isDeviceIdOrNull = (value: unknown): value is string | null => value === null || typeof value === 'string';

const isDevice = (value: unknown): value is StoredDevice =>
  isPlain(value) &&
  typeof value['id'] === 'string' &&
  isPosition(value['start']) &&
  isAckedByNamespace(value['acked']) &&
  Number.isSafeInteger(value['revision']) &&
  isPlain(value['sent']) &&
  Object.values(value['sent']).every(isPosition) &&
  isTime(value['seenAt']) &&
  isTime(value['connectedAt']) &&
  (value['nodes'] === undefined || (Array.isArray(value['nodes']) && value['nodes'].every(isText)));

const isText = (value: unknown): value is string => typeof value === 'string';

const isAckedByNamespace = (value: unknown): value is AckedByNamespace =>
  isPlain(value) && Object.values(value).every(isAckedOfOne);

const isAckedOfOne = (value: unknown): value is Acked =>
  isPlain(value) &&
  isPosition(value['upTo']) &&
  Array.isArray(value['holes']) &&
  areRising(value['holes']) &&
  // What is behind the last acknowledgement is no hole, and would pass for acknowledged up to there.
  (value['holes'].length === 0 || (value['holes'].at(-1) as number) < value['upTo']);

const areRising = (holes: readonly unknown[]): boolean =>
  holes.every((hole, index) => isPosition(hole) && (index === 0 || hole > (holes[index - 1] as number)));

const isExpiration = (value: unknown): value is StoredExpiration =>
  isPlain(value) &&
  isDeviceIdOrNull(value['device']) &&
  (expiryReasons as readonly unknown[]).includes(value['reason']) &&
  isPosition(value['start']) &&
  isAckedByNamespace(value['acked']) &&
  isPosition(value['upTo']) &&
  isTime(value['at']);

/** A namespace whose acknowledgements cannot be read has none, so its messages come again. */
function toDevice(value: unknown, now: Date): StoredDevice[] {
  if (isDevice(value)) return [value];
  if (!isPlain(value) || typeof value['id'] !== 'string') return [];
  const seenAt = readDate(value['seenAt']) ?? readDate(value['connectedAt']) ?? now;
  return [
    {
      id: value['id'],
      start: isPosition(value['start']) ? value['start'] : 0,
      acked: readable(value['acked'], isAckedOfOne),
      revision: Number.isSafeInteger(value['revision']) ? (value['revision'] as number) : 0,
      sent: readable(value['sent'], isPosition),
      seenAt,
      connectedAt: readDate(value['connectedAt']) ?? seenAt,
      nodes: [value['nodes'] ?? []].flat().filter(isText),
    },
  ];
}

function readable<Value>(stored: unknown, isReadable: (value: unknown) => value is Value): Record<string, Value> {
  if (!isPlain(stored)) return {};
  return Object.fromEntries(Object.entries(stored).filter((entry): entry is [string, Value] => isReadable(entry[1])));
}

const withoutRepeated = (devices: readonly StoredDevice[]): StoredDevice[] => [
  ...new Map(devices.map((device) => [device.id, device])).values(),
];
