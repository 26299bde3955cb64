/** Positions of messages are below it. What is beyond could not be counted on. */
export const POSITION_MAX = 2 ** 52;

/** All types but those of numbers, and null. */
const OTHER_TYPES = [
  'string',
  'symbol',
  'object',
  'array',
  'binData',
  'objectId',
  'bool',
  'date',
  'timestamp',
  'regex',
  'javascript',
  'javascriptWithScope',
  'minKey',
  'maxKey',
];

/** Messages with something else in the place of a position. Queries name its index, and repeat this filter exactly. */
export const noPosition = {
  $or: [
    { position: { $type: OTHER_TYPES } },
    { position: { $lte: 0 } },
    { position: { $gte: POSITION_MAX } },
    { position: Number.NaN },
  ],
};

/** The index over {@link noPosition}, which is empty unless another service has written positions. */
export const NO_POSITION_INDEX = 'no_position';
