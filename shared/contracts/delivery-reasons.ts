/*
 * Why a device got a durable message, or did not. Without schemas, so that a page in a browser can import it alone.
 */

/**
 * The reasons for the delivery state of a message on one device. A test compares the table with its page.
 */
export const deliveryReasons = {
  ACKNOWLEDGED: 'the application on the device has acknowledged it',
  PUSHED: 'it was shown by push; the application has not acknowledged it',
  NOT_CONNECTED: 'the device is connected to no node; it comes when the device connects',
  OTHER_NAMESPACE:
    'the device is connected, but not to the namespace that it was sent to; it comes when it connects there',
  STALLED: 'the device is connected and leaves 500 messages before it unacknowledged; it is sent when it has caught up',
  IN_LINE:
    'the device is connected; it is about to be sent, or follows a batch or large messages that are not acknowledged',
  NOT_ACKNOWLEDGED:
    'the device is connected and was sent it, or what comes before it; the application acknowledged neither',
  NO_DEVICE_YET: 'no device of the user was known; the first that connects gets it',
  EXPIRED_TTL: 'its `ttl` was over before an acknowledgement came; it is not sent any more',
  EXPIRED_OVERFLOW: 'more than `MAILBOX_MAX` messages waited for the device; the oldest were given up',
  EXPIRED_DEVICE: 'the device was away for longer than `DEVICE_TTL`, made room for another, or was forgotten',
  EXPIRED_RESYNC: 'the device acknowledged a later message that was sent with `resync`, and loads everything again',
  EXPIRED_CLEARED: 'a backend cleared the queue of the device, and the device loads everything again',
  EXPIRED_UNREADABLE: 'what the database has of it is not what the gateway stored, and is no event',
  NO_RECORD:
    'nothing is kept of it for this device: either the device was not known when it was sent, or it was acknowledged and its receipt is gone',
} as const satisfies Record<string, string>;

/** A code of {@link deliveryReasons}. */
export type DeliveryReason = keyof typeof deliveryReasons;

/** What to do about each reason. A test compares the sentences with their page. */
export const deliveryRemedies: Readonly<Record<DeliveryReason, string>> = {
  ACKNOWLEDGED: 'nothing; look in the application when the user did not see it',
  PUSHED: 'nothing; it also comes as an event when the application connects',
  NOT_CONNECTED: 'open the application; send with `push=true` what must reach a device that is away',
  OTHER_NAMESPACE: 'send to a namespace that the application uses, or to `*`',
  STALLED: 'make the application acknowledge; look for a handler that fails or hangs',
  IN_LINE: 'wait; when it stays so, look for what the application does not acknowledge',
  NOT_ACKNOWLEDGED: 'make the application call the acknowledgement of the event, and of `_batch`',
  NO_DEVICE_YET: 'open the application; check that it uses the id of this user',
  EXPIRED_TTL: 'send with a longer `ttl`, or without',
  EXPIRED_OVERFLOW: 'send less, or raise `MAILBOX_MAX`; the device got `_resync`, and loads everything again',
  EXPIRED_DEVICE: 'raise `DEVICE_TTL` when devices are away for longer; the device gets `_resync` when it returns',
  EXPIRED_RESYNC: 'nothing; the device loads the present state',
  EXPIRED_CLEARED: 'nothing; the device loads the present state',
  EXPIRED_UNREADABLE:
    'find out what else writes to `delivery.log`; the device got `_resync`, and loads everything again',
  NO_RECORD: 'nothing for a new device; look up messages before `RECEIPT_TTL` is over',
};
