import { describe, expect, test } from 'vitest';
import { LogStore } from '../../../src/embedded/store/log-store.js';
import { createMemoryStorage, type MemoryStorage } from '../support/memory-storage.js';

function open(storage: MemoryStorage, options: { isRepairing?: boolean; problems?: string[] } = {}) {
  const read: string[] = [];
  const problems = options.problems ?? [];
  const log = LogStore.open({ storage, onProblem: (problem) => problems.push(problem), ...options }, (payload) =>
    read.push(payload.toString()),
  );
  return { log, read, problems };
}

async function append(log: LogStore, ...texts: string[]): Promise<void> {
  for (const text of texts) log.append([Buffer.from(text)], () => {});
  await log.written();
}

const LOG = 'data.log';
const contentOf = (storage: MemoryStorage): Buffer => storage.files.get(LOG) ?? Buffer.alloc(0);

describe('the log', () => {
  test('reads what was written, in order', async () => {
    const storage = createMemoryStorage();
    const { log } = open(storage);
    await append(log, 'one', 'two');
    await append(log, 'three');
    expect(open(storage).read).toEqual(['one', 'two', 'three']);
  });

  test('writes all frames of one turn of the event loop at once', async () => {
    const storage = createMemoryStorage();
    const { log } = open(storage);
    log.append([Buffer.from('one')], () => {});
    log.append([Buffer.from('two')], () => {});
    expect(contentOf(storage).length).toBe(0);
    await log.written();
    expect(open(storage).read).toEqual(['one', 'two']);
  });

  test('truncates a torn tail at any position, and keeps the rest in a file', async () => {
    const whole = createMemoryStorage();
    const { log } = open(whole);
    await append(log, 'first');
    const firstEnd = contentOf(whole).length;
    await append(log, 'second');
    const bytes = contentOf(whole);
    for (let length = firstEnd + 1; length < bytes.length; length += 1) {
      const storage = createMemoryStorage(new Map([[LOG, bytes.subarray(0, length)]]));
      const { read, problems, log: reopened } = open(storage);
      expect(read).toEqual(['first']);
      expect(problems.join()).toContain('damaged at byte');
      expect(storage.files.get(`${LOG}.damaged-${firstEnd}`)?.length).toBe(length - firstEnd);
      await append(reopened, 'third');
      expect(open(storage).read).toEqual(['first', 'third']);
    }
  });

  test('detects every flipped bit of the last frame', async () => {
    const whole = createMemoryStorage();
    const { log } = open(whole);
    await append(log, 'first');
    const firstEnd = contentOf(whole).length;
    await append(log, 'second');
    const bytes = contentOf(whole);
    for (let bit = firstEnd * 8; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(open(createMemoryStorage(new Map([[LOG, flipped]]))).read).toEqual(['first']);
    }
  });

  test('refuses to open when durable data is damaged, except for a repair', async () => {
    const storage = createMemoryStorage();
    const { log } = open(storage);
    await append(log, 'first');
    await log.synced();
    await append(log, 'second');
    const damaged = Buffer.from(contentOf(storage));
    damaged[22] = (damaged[22] ?? 0) ^ 1;
    const files = new Map([[LOG, damaged]]);
    expect(() => open(createMemoryStorage(files))).toThrow(
      /damaged at byte 0 .* before data that had reached the disk/,
    );
    const { read } = open(createMemoryStorage(files), { isRepairing: true });
    expect(read).toEqual([]);
  });

  test('refuses to open a log that was cut or damaged at its end after it was on disk, except for a repair', async () => {
    const storage = createMemoryStorage();
    const { log } = open(storage);
    await append(log, 'first');
    const firstEnd = contentOf(storage).length;
    await append(log, 'second');
    await log.close();
    const bytes = contentOf(storage);
    const reopen = (content: Buffer, isRepairing = false) => {
      const changed = createMemoryStorage(new Map([[LOG, content]]));
      changed.recordedSize = storage.recordedSize;
      return { ...open(changed, { isRepairing }), storage: changed };
    };
    const flipped = Buffer.from(bytes);
    flipped[bytes.length - 1] = (flipped[bytes.length - 1] ?? 0) ^ 1;
    expect(() => reopen(bytes.subarray(0, firstEnd))).toThrow(/was cut: it has 28? ?\d* of at least/);
    expect(() => reopen(Buffer.alloc(0))).toThrow(/was cut: it has 0 of at least/);
    expect(() => reopen(flipped)).toThrow(/damaged at byte \d+ of \d+, before data that had reached the disk/);
    const repaired = reopen(bytes.subarray(0, firstEnd), true);
    expect([repaired.read, repaired.storage.recordedSize]).toEqual([['first'], firstEnd]);
    storage.recordedSize = 'damaged';
    const { read, problems } = reopen(bytes);
    expect([read, problems]).toEqual([['first', 'second'], [expect.stringContaining('record of the size')]]);
  });

  test('records no size that is not on disk, also around a compaction', async () => {
    const storage = createMemoryStorage();
    const { log } = open(storage);
    await append(log, 'first');
    expect(storage.recordedSize).toBe(0);
    await log.synced();
    expect(storage.recordedSize).toBe(contentOf(storage).length);
    const replace = storage.replace;
    storage.replace = (from, to) => {
      expect(storage.recordedSize).toBeUndefined();
      replace(from, to);
    };
    expect(await log.compact([[Buffer.from('x')]])).toBe(true);
    expect(storage.recordedSize).toBe(contentOf(storage).length);
    await append(log, 'never synced');
    storage.syncError = new Error('EIO: i/o error');
    const recorded = storage.recordedSize;
    await expect(log.synced()).rejects.toThrow('i/o error');
    expect(storage.recordedSize).toBe(recorded);
  });

  test('undoes writes on a full disk in reverse order, and continues when there is space', async () => {
    const storage = createMemoryStorage();
    const { log, problems } = open(storage);
    await append(log, 'first');
    storage.roomBytes = 10;
    const undone: string[] = [];
    log.append([Buffer.from('second')], () => undone.push('second'));
    log.append([Buffer.from('third')], () => undone.push('third'));
    await expect(log.written()).rejects.toMatchObject({ codeName: 'OutOfDiskSpace' });
    expect(undone).toEqual(['third', 'second']);
    expect(problems.join()).toContain('disk is full');
    storage.roomBytes = 1000;
    log.ensureWritable();
    await append(log, 'fourth');
    expect(open(storage).read).toEqual(['first', 'fourth']);
  });

  test('reports once that writes fail, and that they work again when a probe succeeds', async () => {
    const storage = createMemoryStorage();
    const reports: (string | undefined)[] = [];
    const log = LogStore.open(
      { storage, onProblem: () => undefined, onWritable: (reason) => reports.push(reason) },
      () => undefined,
    );
    await append(log, 'first');
    log.probe();
    expect(reports).toEqual([]);
    storage.roomBytes = 10;
    for (const text of ['second', 'third']) await expect(append(log, text)).rejects.toThrow('disk is full');
    // Not enough for a stable answer.
    storage.roomBytes = 1000;
    await append(log, 'fourth');
    log.probe();
    expect(reports).toEqual([expect.stringContaining('disk is full')]);
    storage.roomBytes = 1_000_000;
    log.probe();
    log.probe();
    expect(reports).toEqual([expect.stringContaining('disk is full'), undefined]);
    expect(storage.roomBytes).toBe(1_000_000);
    await append(log, 'fifth');
    expect(open(storage).read).toEqual(['first', 'fourth', 'fifth']);
  });

  test('reports a failed sync until the log is rewritten', async () => {
    const storage = createMemoryStorage();
    const reports: (string | undefined)[] = [];
    const log = LogStore.open(
      { storage, onProblem: () => undefined, onWritable: (reason) => reports.push(reason) },
      () => undefined,
    );
    await append(log, 'first');
    storage.syncError = Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
    await expect(log.synced()).rejects.toMatchObject({ codeName: 'FileStreamFailed' });
    log.probe();
    storage.syncError = undefined;
    expect(reports).toEqual([expect.stringContaining('EIO')]);
    expect(await log.compact([[Buffer.from('all of it')]])).toBe(true);
    expect(reports).toEqual([expect.stringContaining('EIO'), undefined]);
  });

  test('refuses writes after a failed sync until the log is rewritten', async () => {
    const storage = createMemoryStorage();
    const { log } = open(storage);
    await append(log, 'first');
    storage.syncError = new Error('EIO: i/o error');
    await expect(log.synced()).rejects.toThrow('i/o error');
    expect(() => log.ensureWritable()).toThrow('i/o error');
    expect(log.needsRewrite).toBe(true);
    storage.syncError = undefined;
    expect(await log.compact([[Buffer.from('all of it')]])).toBe(true);
    log.ensureWritable();
    await append(log, 'more');
    expect(open(storage).read).toEqual(['all of it', 'more']);
  });

  test('compacts during writes without losing any', async () => {
    const storage = createMemoryStorage();
    const { log } = open(storage);
    await append(log, ...Array.from({ length: 100 }, (_, number) => `old ${number}`));
    const chunk = Buffer.alloc(700_000, 'x');
    let written: Promise<void> = Promise.resolve();
    const compaction = log.compact(
      (function* () {
        yield [Buffer.from('kept 1')];
        written = append(log, 'meanwhile 1');
        yield [chunk];
        yield [chunk];
        log.append([Buffer.from('meanwhile 2')], () => {});
        yield [Buffer.from('kept 2')];
      })(),
    );
    expect(log.isCompacting).toBe(true);
    expect(await compaction).toBe(true);
    await written;
    await append(log, 'after');
    const read = open(storage).read.filter((text) => !text.startsWith('x'));
    expect(read.filter((text) => text.startsWith('kept'))).toEqual(['kept 1', 'kept 2']);
    expect(read.filter((text) => !text.startsWith('kept'))).toEqual(['meanwhile 1', 'meanwhile 2', 'after']);
    expect([...storage.files.keys()]).toEqual([LOG]);
  });

  test('a write that waits for the disk does not wait longer when a smaller log replaces that of the write', async () => {
    const storage = createMemoryStorage();
    const openFile = storage.open;
    let finishSync = (): void => {};
    const firstSync = new Promise<void>((resolve) => {
      finishSync = resolve;
    });
    storage.open = (name) =>
      Object.assign(openFile(name), { sync: () => (name === LOG ? firstSync : new Promise(setImmediate)) });
    const { log } = open(storage);
    await append(log, 'much longer than what is left of it');
    const synced = log.synced();
    expect(await log.compact([[Buffer.from('short')]])).toBe(true);
    finishSync();
    await synced;
    expect(open(storage).read).toEqual(['short']);
  });

  test('keeps the old log when a compaction fails', async () => {
    const storage = createMemoryStorage();
    const { log, problems } = open(storage);
    await append(log, 'first');
    storage.roomBytes = 5;
    expect(await log.compact([[Buffer.from('far too long for the room there is')]])).toBe(false);
    expect(problems.join()).toContain('compaction failed');
    storage.roomBytes = 1000;
    await append(log, 'second');
    expect(open(storage).read).toEqual(['first', 'second']);
  });

  test('discards a compaction that a crash interrupted', async () => {
    const storage = createMemoryStorage();
    const { log } = open(storage);
    await append(log, 'first');
    storage.files.set('data.log.new', Buffer.from('half a log'));
    expect(open(storage).read).toEqual(['first']);
    expect([...storage.files.keys()]).toEqual([LOG]);
  });
});
