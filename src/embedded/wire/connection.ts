import type { Socket } from 'node:net';
import type { Document } from '../bson/values.js';
import { createFramer } from './framer.js';
import { type Message, parseMessage } from './message.js';
import { encodeReply } from './reply.js';

/** A connection as commands see it. */
export interface Connection {
  readonly id: number;
  /** The address of the server on this connection, as `hello` reports it. */
  readonly localAddress: string;
}

/** Runs one command. It returns errors as replies, and throws only to close the connection. */
export type CommandHandler = (message: Message, connection: Connection) => Promise<Document> | Document;

/** The most commands of a client that wait. Beyond that, reading from the client pauses. */
const MAX_QUEUED_MESSAGES = 64;

/** Runs the commands of one connection, one after another. */
export class WireConnection {
  readonly #socket: Socket;
  readonly #connection: Connection;
  readonly #handle: CommandHandler;
  readonly #queue: Message[] = [];
  #isRunning = false;
  #drained = Promise.resolve();

  constructor(socket: Socket, connection: Connection, handle: CommandHandler) {
    this.#socket = socket;
    this.#connection = connection;
    this.#handle = handle;
    const pushChunk = createFramer((bytes) => this.#enqueue(parseMessage(bytes)));
    socket.on('data', (chunk) => {
      try {
        pushChunk(chunk);
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
  }

  /** Waits for the commands that the client has sent, then closes the connection. */
  async close(): Promise<void> {
    await this.#drained;
    this.#socket.destroySoon();
  }

  #enqueue(message: Message): void {
    this.#queue.push(message);
    if (this.#queue.length >= MAX_QUEUED_MESSAGES) this.#socket.pause();
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#drained = this.#runQueue().finally(() => {
      this.#isRunning = false;
    });
  }

  async #runQueue(): Promise<void> {
    const socket = this.#socket;
    for (let message = this.#queue.shift(); message; message = this.#queue.shift()) {
      const hasRoom = this.#queue.length < MAX_QUEUED_MESSAGES;
      if (hasRoom && socket.isPaused() && !socket.writableNeedDrain) socket.resume();
      try {
        this.#reply(message, await this.#handle(message, this.#connection));
      } catch (error) {
        socket.destroy(error as Error);
        return;
      }
    }
  }

  #reply(message: Message, reply: Document): void {
    const socket = this.#socket;
    if (message.isFireAndForget || socket.destroyed) return;
    // A client that does not read its replies is not read from, either.
    if (!socket.write(encodeReply(message, reply)) && !socket.isPaused()) {
      socket.pause();
      socket.once('drain', () => socket.resume());
    }
  }
}
