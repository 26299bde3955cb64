import type { environment } from '../config.js';
import type { EmittedEvent } from '../realtime/emitted.js';
import type { MovableClock } from './clock.js';
import type { Device } from './device.js';

export type { EmittedEvent } from '../realtime/emitted.js';
export type { MovableClock } from './clock.js';
export type { Device, ReceivedEvent } from './device.js';

/* The types of the package's export `general-socket/testing`. They stand alone, so that it ships no types of the gateway. */

/** Settings of the gateway by the names of its environment variables. */
export type GatewaySettings = Readonly<Partial<Record<keyof (typeof environment)['shape'], string>>>;

/** Options of {@link startGateway}. */
export interface GatewayOptions {
  /** Users for whom a device is connected at the start, as by {@link TestGateway.connect}. */
  readonly users?: readonly string[];
  /** Settings that differ from those of a test: a free port, no Redis, a silent log. */
  readonly settings?: GatewaySettings;
}

/** Claims of a token besides the user. */
export interface TokenOptions {
  /** `conversation` by default, which is what the namespaces of users need. */
  readonly scope?: string;
  readonly accountId?: string;
  /** 3600 by default. */
  readonly expiresInSeconds?: number;
  /** Any other claims. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** How a device of a user connects. */
export interface ConnectOptions extends TokenOptions {
  /** `/v1/shared` by default. */
  readonly namespace?: string;
  /** A new device by default. */
  readonly deviceId?: string;
}

/** A gateway for the tests of an application. */
export interface TestGateway extends AsyncDisposable {
  /** Base of REST calls and of the namespaces. */
  readonly url: string;
  /** The key for REST calls of backends, for the header `x-api-key`. */
  readonly apiKey: string;
  /** Connection string of its database, for tests that store users, contacts and the like. */
  readonly databaseUrl: string;
  /** The time of the gateway. */
  readonly clock: MovableClock;
  /** Signs a token for any user. */
  token(userId: string, options?: TokenOptions): string;
  /** Connects a device of a user, which acknowledges what it receives. */
  connect(userId: string, options?: ConnectOptions): Promise<Device>;
  /**
   * Takes the next event of this name that a device of the user received, or waits for it. @returns its first argument
   * @throws Error when the user has no connected device, or nothing came within `timeoutMs` (10,000 by default)
   */
  received<Payload = unknown>(
    userId: string,
    event: string,
    options?: { readonly timeoutMs?: number },
  ): Promise<Payload>;
  /** What backends and websites emitted so far and was accepted, in order. A repeated call with a key counts once. */
  emitted(filter?: Partial<EmittedEvent>): readonly EmittedEvent[];
  /** Stops it with everything in it. */
  stop(): Promise<void>;
}

/**
 * Starts a gateway on a free port of this machine, with a database in memory. Several can run in one process at once. Stop it
 * at the end, or declare it with `await using`.
 */
export declare function startGateway(options?: GatewayOptions): Promise<TestGateway>;
