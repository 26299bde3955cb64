import { Decoder } from 'socket.io-parser';
import { describe, expect, test } from 'vitest';
import { createPacketParser, UnreadArguments } from '../../src/library-internals/packet-decoder.js';
import { createTestClock } from '../support/clock.js';

interface Packet {
  readonly type: number;
  readonly nsp: string;
  readonly data?: unknown;
}

/** What a decoder makes of frames; the error of the first that it does not take. */
function decode(decoder: Decoder, frames: readonly unknown[]): Packet[] | Error {
  const packets: Packet[] = [];
  decoder.on('decoded', (packet) => packets.push(packet));
  try {
    for (const frame of frames) decoder.add(frame);
  } catch (error) {
    return error as Error;
  }
  return packets.map((packet) => ({ ...packet, ...readAll(packet) }));
}

function readAll({ data }: Packet): Partial<Packet> {
  const [name, unread] = Array.isArray(data) ? data : [];
  return unread instanceof UnreadArguments ? { data: [name, ...unread.read()] } : {};
}

function createDecoder(clock = createTestClock()) {
  const parser = createPacketParser({ clock, openMax: 4096, attachmentTimeoutMs: 1000 });
  return new parser.Decoder();
}

const long = 'é🚀\\"\\\\'.repeat(400);
const bytes = Buffer.from('bytes');

/** Frames that both decoders take for the same. */
const SAME: Record<string, readonly unknown[]> = {
  'a small event': ['2["join"]'],
  'an event without content': ['2/v1/shared,7'],
  'a large event': [`2["join",{"a":"${long}"},[1,{"b":null}]]`],
  'a large event of a namespace, with an id': [`2/v1/shared,12["message",{"a":"${long}"}]`],
  'a large event with white space': [`2 [ "join" , "${long}" ]`.replace('2 ', '2')],
  'a large event whose name has escapes': [`2["\\u00e9\\"\\\\\\n",{"a":"${long}"}]`],
  'a CONNECT': ['0/v1/shared,{"token":"x"}'],
  'a CONNECT of an old client': ['0/chat?token=x'],
  'a DISCONNECT': ['1/v1/shared,'],
  'an acknowledgement': ['3/v1/shared,12[]'],
  'a file': ['51-7["file_upload",{"_placeholder":true,"num":0},{"fileName":"ä"}]', bytes],
};

describe('the decoder takes for the same as the library', () => {
  test.each(Object.entries(SAME))('%s', (_name, frames) => {
    const expected = decode(new Decoder(), frames);
    expect(expected).not.toBeInstanceOf(Error);
    expect(decode(createDecoder(), frames)).toEqual(expected);
  });
});

describe('the decoder refuses as the library', () => {
  test.each([
    '',
    '7',
    'x',
    '2{"a":1}',
    `2{"a":"${long}"}`,
    `2[{"a":"${long}"}]`,
    '1/v1/shared,{}',
    '4{"message":"no"}',
    '3/v1/shared,1{}',
    '5["file_upload"]',
    '50-["file_upload"]',
    '5-1-["file_upload"]',
    '511-["file_upload"]',
    '51-/v1/shared,{}',
  ])('%s', (frame) => {
    expect(decode(createDecoder(), [frame])).toBeInstanceOf(Error);
  });

  test('binary that was not announced, and text where binary was', () => {
    expect(decode(createDecoder(), [bytes])).toBeInstanceOf(Error);
    expect(decode(createDecoder(), ['51-["file_upload",{"_placeholder":true,"num":0}]', '2["join"]'])).toBeInstanceOf(
      Error,
    );
    expect(decode(createDecoder(), ['51-["join",{"_placeholder":true,"num":0}]', '2["join"]'])).toBeInstanceOf(Error);
  });
});

describe('a file whose placeholder is wrong', () => {
  test.each(['7', '"__proto__"', '-1'])('is refused as by the library: %s', (num) => {
    const frames = [`51-["file_upload",{"_placeholder":true,"num":${num}}]`, bytes];
    expect(decode(new Decoder(), frames)).toBeInstanceOf(Error);
    expect(decode(createDecoder(), frames)).toBeInstanceOf(Error);
  });
});

const codeOf = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
};

function unreadOf(decoder: Decoder, frames: readonly unknown[]): UnreadArguments[] {
  const found: UnreadArguments[] = [];
  decoder.on('decoded', ({ data }: Packet) => {
    for (const item of Array.isArray(data) ? data : []) if (item instanceof UnreadArguments) found.push(item);
  });
  for (const frame of frames) decoder.add(frame);
  return found;
}

describe('an event that costs more than its length suggests', () => {
  test.each([
    ['too deep', `2["join",${'['.repeat(2000)}]`],
    ['too many elements', `2["join",[${'0,'.repeat(10_000)}0]]`],
    ['cut off', `2["join","${'x'.repeat(2000)}`],
  ])('is refused when its arguments are read: %s', (_name, frame) => {
    const decoder = createDecoder();
    decoder.openGate();
    const [unread] = unreadOf(decoder, [frame]);
    expect(codeOf(() => unread?.read())).toBe('VALIDATION_ERROR');
  });

  test.each([
    ['on a namespace without binary events', '53-/v1/shared,["file_upload"]', [bytes, bytes, bytes]],
    ['of another event', '51-["send_message",{"_placeholder":true,"num":0}]', [bytes]],
    ['with more attachments', '52-["file_upload"]', [bytes, bytes]],
    ['with much text', `51-["file_upload","${'x'.repeat(9000)}"]`, [bytes]],
    ['nested deeply', `51-["file_upload",{"_placeholder":true,"num":0},${'['.repeat(200)}${']'.repeat(200)}]`, [bytes]],
    ['with many elements', `51-["file_upload",{"_placeholder":true,"num":0},[${'0,'.repeat(100)}0]]`, [bytes]],
  ])('is refused at once when it announces binary %s, and its attachments are dropped', (_name, frame, attachments) => {
    const decoder = createDecoder();
    decoder.openGate();
    const [unread] = unreadOf(decoder, [frame]);
    expect(codeOf(() => unread?.read())).toBe('VALIDATION_ERROR');
    expect(decode(decoder, [...attachments, '2["join"]'])).toEqual([{ type: 2, nsp: '/', data: ['join'] }]);
  });

  test('is refused when the attachment does not come in time, and the attachment is dropped', async () => {
    const clock = createTestClock();
    const decoder = createDecoder(clock);
    const found = unreadOf(decoder, ['51-["file_upload",{"_placeholder":true,"num":0}]']);
    expect(found).toEqual([]);
    await clock.advance(1000);
    expect(codeOf(() => found[0]?.read())).toBe('UNAVAILABLE');
    expect(decode(decoder, [bytes, '2["join"]'])).toEqual([{ type: 2, nsp: '/', data: ['join'] }]);
  });

  test('is refused from a client without a token when it is large', () => {
    const frame = `2["join","${'x'.repeat(5000)}"]`;
    expect(decode(createDecoder(), [frame])).toBeInstanceOf(Error);
    const opened = createDecoder();
    opened.openGate();
    expect(unreadOf(opened, [frame])).toHaveLength(1);
  });
});
