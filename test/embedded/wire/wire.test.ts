import { once } from 'node:events';
import type { Socket } from 'node:net';
import { deserialize, serialize } from 'bson';
import { describe, expect, test } from 'vitest';
import type { Document } from '../../../src/embedded/bson/values.js';
import { dial, opMsg, receive } from '../support/raw-client.js';
import { startTestServer } from '../support/running-server.js';

function opQuery(command: Document): Buffer {
  const name = Buffer.from('admin.$cmd\0');
  const body = serialize(command);
  const bytes = Buffer.alloc(20 + name.length + 8 + body.length);
  bytes.writeInt32LE(bytes.length, 0);
  bytes.writeInt32LE(3, 4);
  bytes.writeInt32LE(2004, 12);
  name.copy(bytes, 20);
  bytes.writeInt32LE(-1, 20 + name.length + 4);
  bytes.set(body, 20 + name.length + 8);
  return bytes;
}

function header(length: number, opcode: number): Buffer {
  const bytes = Buffer.alloc(Math.max(16, Math.min(length, 64)));
  bytes.writeInt32LE(length, 0);
  bytes.writeInt32LE(opcode, 12);
  return bytes;
}

async function isClosed(socket: Socket): Promise<boolean> {
  socket.resume();
  if (!socket.closed) await once(socket, 'close');
  return true;
}

describe('the wire protocol', () => {
  test('replies to the first hello, an OP_QUERY, with an OP_REPLY', async () => {
    const { path } = await startTestServer();
    const socket = await dial(path);
    socket.write(opQuery({ ismaster: 1, helloOk: true }));
    const reply = await receive(socket);
    expect(reply.readInt32LE(12)).toBe(1);
    expect(reply.readInt32LE(8)).toBe(3);
    const document = deserialize(reply.subarray(36));
    expect(document).toMatchObject({ ok: 1, helloOk: true, ismaster: true, setName: 'embedded', maxWireVersion: 25 });
    expect(document).not.toHaveProperty('topologyVersion');
    socket.destroy();
  });

  test('accepts a message in several chunks, and several messages in one chunk', async () => {
    const { path } = await startTestServer();
    const socket = await dial(path);
    const ping = opMsg({ ping: 1, $db: 'admin' });
    for (const byte of ping) socket.write(Buffer.from([byte]));
    expect(deserialize((await receive(socket)).subarray(21))).toMatchObject({ ok: 1 });
    socket.write(
      Buffer.concat([
        opMsg({ ping: 1, $db: 'admin' }, { flags: 2 }),
        opMsg({ hello: 1, $db: 'admin' }, { requestId: 9 }),
      ]),
    );
    const reply = await receive(socket);
    // The first message has moreToCome, so it gets no reply.
    expect(reply.readInt32LE(8)).toBe(9);
    socket.destroy();
  });

  test.each([
    ['a length below the header size', header(3, 2013)],
    ['a negative length', header(-5, 2013)],
    ['more than 48 MB', header(48_000_001, 2013)],
    ['an unknown opcode', header(16, 2010)],
    ['an unknown required flag', opMsg({ ping: 1 }, { flags: 8 })],
    ['no body', header(20, 2013)],
    [
      'a section longer than the message',
      Buffer.concat([header(26, 2013).subarray(0, 16), Buffer.from([0, 0, 0, 0, 0, 255, 255, 255, 127, 0])]),
    ],
    [
      'a document with a wrong length',
      (() => {
        const bytes = opMsg({ ping: 1, text: 'abc' });
        bytes.writeInt32LE(9, 21);
        return bytes;
      })(),
    ],
  ])('closes only the connection that sends %s', async (_name, bytes) => {
    const { path, db } = await startTestServer();
    const socket = await dial(path);
    socket.write(bytes);
    expect(await isClosed(socket)).toBe(true);
    expect(await db.command({ ping: 1 })).toMatchObject({ ok: 1 });
  });

  test('survives random bytes', async () => {
    const { path, db } = await startTestServer();
    for (let seed = 1; seed <= 50; seed += 1) {
      const bytes = opMsg({ find: 'things', filter: { a: [1, { b: 'c' }] }, $db: 'test' });
      for (let flip = 0; flip < 4; flip += 1) {
        const position = 4 + ((seed * 7919 + flip * 104_729) % (bytes.length - 4));
        bytes[position] = (seed * 31 + flip * 17) & 255;
      }
      const socket = await dial(path);
      socket.end(bytes);
      await isClosed(socket);
    }
    expect(await db.command({ ping: 1 })).toMatchObject({ ok: 1 });
  });

  test('names unknown commands and fields in the error', async () => {
    const { db } = await startTestServer();
    await expect(db.command({ frobnicate: 1 })).rejects.toMatchObject({
      code: 59,
      codeName: 'CommandNotFound',
      message: "no such command: 'frobnicate'",
    });
    await expect(db.command({ find: 'things', sorted: 1 })).rejects.toMatchObject({
      code: 40415,
      message: "BSON field 'find.sorted' is an unknown field.",
    });
    await expect(db.command({ saslStart: 1, mechanism: 'PLAIN' })).rejects.toMatchObject({
      codeName: 'AuthenticationFailed',
    });
  });
});
