import { createRequire } from 'node:module';
import type { Socket } from 'node:net';

/** What the driver makes its connections with. It has an option for another class, but gives nobody its own. */
type ConnectionClass = new (socket: Socket, options: object) => object;

const requireFromMongoose = createRequire(createRequire(import.meta.url).resolve('mongoose'));
const { Connection } = requireFromMongoose('mongodb/lib/cmap/connection.js') as { Connection: ConnectionClass };

/**
 * The driver's connection, which also ends a command that was being written when the socket broke. A socket that cannot be
 * written to says "not now", and the driver waits for `drain` without looking whether the socket still lives: when that
 * has ended already the command hangs for ever, and when it ends now the command fails with the error of the socket, which
 * the driver does not know as one of the network and does not retry (seen with mongodb 7.8 and 7.9).
 */
class WakingConnection extends Connection {
  constructor(socket: Socket, options: object) {
    super(socket, options);
    // Behind the driver's own listeners: it goes on, and finds that the connection has ended.
    const wake = (): void => void socket.emit('drain');
    socket.on('error', wake).on('close', wake);
  }
}

/** Options of a client of the database whose every operation ends, whenever a connection breaks. */
export const connectionOptions: object = { connectionType: WakingConnection };
