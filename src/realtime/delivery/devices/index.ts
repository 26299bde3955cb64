import type { Clock } from '../../../platform/time/clock.js';
import type { DeliveryStorage } from '../storage/index.js';
import type { Device } from '../storage/mailboxes.js';
import type { OnCut } from './cuts.js';
import { Devices } from './devices.js';
import { DeviceExpiry } from './expiry.js';
import { QueueLimits } from './queue-limits.js';

/** Registers devices, bounds their queues, and removes those that are away for too long. */
export interface DeviceLifecycle {
  readonly devices: Devices;
  readonly limits: QueueLimits;
  readonly expiry: DeviceExpiry;
}

interface Dependencies {
  readonly storage: DeliveryStorage;
  readonly clock: Clock;
  readonly onCut: OnCut;
  /** Whether the device is connected to this node. */
  isHere(device: Device): boolean;
  readonly settings: { readonly deviceTtlMs: number; readonly mailboxMax: number };
}

/** @param onCut called for each device that loses messages by a limit or by its time */
export function createDeviceLifecycle({ storage, isHere, clock, onCut, settings }: Dependencies): DeviceLifecycle {
  const { log, mailboxes, nodes } = storage;
  const expiry = new DeviceExpiry({ mailboxes, log, nodes, clock, ttlMs: settings.deviceTtlMs, isHere, onCut });
  return {
    devices: new Devices({ mailboxes, log, nodes, expiry, clock, isHere }),
    limits: new QueueLimits({ mailboxes, log, clock, max: settings.mailboxMax, onCut }),
    expiry,
  };
}
