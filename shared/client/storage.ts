/** Where a client keeps its device id and the ids of handled messages. `localStorage` is one. Methods may throw. */
export interface ClientStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

const DEVICE_KEY = 'general-socket.device';
const HANDLED_KEY = 'general-socket.handled';

/** A device leaves at most 500 messages unacknowledged, so no more can come again after a reconnect. */
const HANDLED_MAX = 1000;

const values = new Map<string, string>();

/**
 * The storage of the browser. What it does not take, and everything where there is none that works, is kept in the memory
 * of this process: so all clients of a page are one device, whatever the storage does.
 */
export const defaultStorage: ClientStorage = {
  getItem: (key) => values.get(key) ?? quietly(() => browserStorage().getItem(key)) ?? null,
  setItem(key, value) {
    const isKept = quietly(() => {
      browserStorage().setItem(key, value);
      return true;
    });
    if (isKept) values.delete(key);
    else values.set(key, value);
  },
};

/**
 * Reading the property throws where pages may not store anything. It is absent or `null` elsewhere, and an object without
 * methods in some versions of Node.js; the call throws then.
 */
const browserStorage = (): ClientStorage => (globalThis as unknown as { localStorage: ClientStorage }).localStorage;

/** @returns `undefined` for a storage that fails: that costs the memory over reloads, nothing else */
function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

/** The id of this device, the same after each reload. */
export function deviceIdIn(storage: ClientStorage): string {
  const known = quietly(() => storage.getItem(DEVICE_KEY));
  if (known != null && known !== '') return known;
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const made = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  quietly(() => storage.setItem(DEVICE_KEY, made));
  return made;
}

/** The ids of the messages that the application has handled last, also before a reload. */
export class HandledIds {
  readonly #storage: ClientStorage;
  readonly #key: string;
  readonly #ids: Set<string>;

  /** @param scope what the ids belong to: gateway, namespace and device */
  constructor(storage: ClientStorage, scope: string) {
    this.#storage = storage;
    this.#key = `${HANDLED_KEY}:${scope}`;
    this.#ids = new Set(this.#read());
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  add(id: string): void {
    this.#ids.add(id);
    const [oldest] = this.#ids;
    if (this.#ids.size > HANDLED_MAX && oldest !== undefined) this.#ids.delete(oldest);
    // Other tabs of the device write here too. What they have handled is theirs until the next reload.
    quietly(() => this.#storage.setItem(this.#key, [...this.#read(), id].slice(-HANDLED_MAX).join(' ')));
  }

  #read(): string[] {
    return (quietly(() => this.#storage.getItem(this.#key)) ?? '').split(' ').filter((id) => id !== '');
  }
}
