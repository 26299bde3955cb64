/** What a phone or browser shows while the application is closed. */
export interface PushNotification {
  readonly title: string;
  readonly body: string;
  /** Strings only, as FCM has it. */
  readonly data: Readonly<Record<string, string>>;
}

/** Sends push notifications to every registered token of a user. */
export interface Push {
  /** Without credentials push is off and everything else works. */
  readonly isOn: boolean;
  /** Never rejects: what fails for good is logged, what may succeed later is tried again. */
  send(userIds: readonly string[], notification: PushNotification): Promise<void>;
}

/** Push that is switched off. */
export const noPush: Push = { isOn: false, send: async () => undefined };
