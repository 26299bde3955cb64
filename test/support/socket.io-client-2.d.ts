/** The part of a client of Socket.IO 2 that the tests use; the package has no types. */
declare module 'socket.io-client-2' {
  interface OldSocket {
    readonly connected: boolean;
    readonly io: { on(event: string, listener: (...args: unknown[]) => void): void };
    // biome-ignore lint/suspicious/noExplicitAny: a test looks into an event without declaring its form again
    on(event: string, listener: (...args: any[]) => void): this;
    // biome-ignore lint/suspicious/noExplicitAny: as above
    once(event: string, listener: (...args: any[]) => void): this;
    emit(event: string, ...args: unknown[]): this;
    close(): this;
  }
  const io: (url: string, options?: Record<string, unknown>) => OldSocket;
  export = io;
}
