import { describe, expect, test } from 'vitest';
import { useFloodTarget } from './flood-target.js';
import { enterRaw, openRaw, type RawConnection } from './raw-connection.js';

const CONNECTIONS = 16;
const ELEMENTS = `{},`.repeat(300_000);

const target = useFloodTarget({ COMPRESSION_THRESHOLD: '1024' });

/** A packet that announces ten attachments; parsed, it takes tens of megabytes. */
const announcement = (namespace: string): string =>
  `4510-${namespace},["join",{"_placeholder":true,"num":0},[${ELEMENTS}{}]]`;

async function flood(
  open: () => Promise<RawConnection>,
  frames: readonly (string | Buffer)[],
): Promise<RawConnection[]> {
  const connections: RawConnection[] = [];
  for (let opened = 0; opened < CONNECTIONS; opened += 1) {
    const connection = await open();
    for (const frame of frames) connection.send(frame);
    connections.push(connection);
  }
  return connections;
}

describe('an event whose attachments never arrive', () => {
  test('is not read from a client without a token, compressed or not', async () => {
    const connections = await flood(
      () => enterRaw(target().gateway, { namespace: '/v1/lead-finder' }),
      [announcement('/v1/lead-finder')],
    );
    await target().expectBounded();
    for (const connection of connections) expect(await connection.closed).toBe(1009);
  });

  test('is answered and not kept in namespaces without binary events', async () => {
    const connections = await flood(
      () => enterRaw(target().gateway, { claims: { uid: 'attacker' } }),
      [announcement('/v1/shared'), ...Array.from({ length: 9 }, () => Buffer.alloc(300_000))],
    );
    for (const connection of connections) expect(await connection.next()).toContain('"message":"VALIDATION_ERROR"');
    await target().expectBounded();
    for (const connection of connections) {
      // The tenth ends what was announced; the connection goes on.
      connection.send(Buffer.alloc(1));
      connection.send('42/v1/shared,1["join"]');
      expect(await connection.next()).toBe('43/v1/shared,1[{"success":true,"message":"SUCCESS"}]');
      connection.close();
    }
  });
});

describe('a client that is in no namespace', () => {
  test.each(['40/v1/shared,{"token":[', '42/v1/shared,["join",', '43/v1/shared,1['])(
    'sends small frames alone: %s',
    async (head) => {
      const connection = await openRaw(target().gateway);
      connection.send(`${head}${ELEMENTS}`);
      expect(await connection.closed).toBe(1009);
    },
  );

  test('may send a frame that unfolds as large when it has shown a token', async () => {
    const connection = await enterRaw(target().gateway, { claims: { uid: 'attacker' } });
    connection.send(`42/v1/shared,1["join",{"unknown":"${'x'.repeat(500_000)}"}]`);
    expect(await connection.next()).toBe('43/v1/shared,1[{"success":true,"message":"SUCCESS"}]');
    connection.close();
  });
});
