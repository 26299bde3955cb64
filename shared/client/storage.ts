/** Where a client keeps its device id and the ids of handled messages. `localStorage` is one. Methods may throw. */
export interface ClientStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

const DEVICE_KEY = 'general-socket.device';
const HANDLED_KEY = 'general-socket.handled';

/** A device leaves at most 500 messages unacknowledged, so no more can come again after a reconnect. */
const HANDLED_MAX = 1000;

/** The storage of the browser; elsewhere the memory of this process. */
export function defaultStorage(): ClientStorage {
  try {
    // Reading the property throws where pages may not store anything.
    const { localStorage } = globalThis as { localStorage?: ClientStorage };
    if (localStorage !== undefined) return localStorage;
  } catch {
    // As without one.
  }
  return memory;
}

const values = new Map<string, string>();
const memory: ClientStorage = {
  getItem: (key) => values.get(key) ?? null,
  setItem: (key, value) => void values.set(key, value),
};

/** A full or forbidden storage costs the memory over reloads, nothing else. */
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
