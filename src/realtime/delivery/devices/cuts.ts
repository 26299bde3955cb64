import type { Device } from '../storage/mailboxes.js';

/**
 * Why messages that waited for a device were given up: too many waited, it was away too long, it made room for another
 * device, it acknowledged a later message that was sent with `resync`, or a backend had it forgotten or its queue cleared.
 */
export type CutReason = 'overflow' | 'away' | 'room' | 'resync' | 'forgotten' | 'cleared';

/** Called when a device loses messages that waited for it. */
export type OnCut = (device: Device, reason: CutReason) => void;
