import { mongo, Types } from 'mongoose';

const at = (ms: number): Date => new Date(ms);
const { Binary, BSONRegExp, Code, Decimal128, Double, Long, MaxKey, MinKey, Timestamp } = mongo;

/** What another service may have stored where a time is expected. `undefined`: nothing. */
export const sortValues: readonly unknown[] = [
  ...[at(3), at(2), at(2), at(9), undefined, null, '2', 'b', '', 'Ä', 7, 9.5, -1, 7, { a: 1 }, { a: 2 }, {}],
  ...[true, false, new Types.ObjectId('5'.repeat(24)), Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  ...[Long.fromNumber(8), Decimal128.fromString('8.5'), new Double(3), new Timestamp({ t: 4, i: 1 })],
  ...[new Binary(Buffer.from('x')), new BSONRegExp('x'), new Code('x'), new MinKey(), new MaxKey()],
  ...[[], [at(1), at(8)], [at(2)], [at(2), at(2)], [null, 'odd', { odd: true }, 7], ['a', at(2)], [null], [7, null]],
  ...[
    [true, false],
    [Number.NaN, 1],
    [new MinKey(), 'x'],
    [new Timestamp({ t: 1, i: 1 }), at(5)],
  ],
];
