/** The error codes of mongod for the named parameters of an operator or a stage. */
export interface ParameterCodes {
  /** The operand is no document. By default this is FailedToParse. */
  readonly operand?: number;
  /** The operand has an unknown parameter. */
  readonly unknown: number;
  /** A required parameter is missing: the codes in the order of the required parameters. */
  readonly missing: readonly number[];
}

const DATE_ADD: ParameterCodes = {
  operand: 5166400,
  unknown: 5166401,
  missing: [5166402, 5166402, 5166402],
};

const pick = (operand: number): ParameterCodes => ({
  operand,
  unknown: 5787901,
  missing: [5787907, 5787906],
});

const TRIM: ParameterCodes = { operand: 50696, unknown: 50694, missing: [50695] };

const REPLACE: ParameterCodes = {
  operand: 51751,
  unknown: 51750,
  missing: [51749, 51748, 51747],
};

const REGEX: ParameterCodes = { operand: 51103, unknown: 31024, missing: [31022, 31023] };

const SET_FIELD: ParameterCodes = {
  operand: 4161100,
  unknown: 4161101,
  missing: [4161102, 4161109, 4161103],
};

/** The codes by operator or stage. The others use FailedToParse. */
export const PARAMETER_CODES: ReadonlyMap<string, ParameterCodes> = new Map<string, ParameterCodes>([
  ['$let', { operand: 16874, unknown: 16875, missing: [16876, 16877] }],
  ['$map', { operand: 16878, unknown: 16879, missing: [16880, 16882] }],
  ['$filter', { operand: 28646, unknown: 28647, missing: [28648, 28650] }],
  ['$reduce', { operand: 40075, unknown: 40076, missing: [40077, 40078, 40079] }],
  ['$zip', { operand: 34460, unknown: 34464, missing: [34465] }],
  ['$switch', { operand: 40060, unknown: 40067, missing: [40068] }],
  ['$switch branch', { operand: 40062, unknown: 40063, missing: [40064, 40065] }],
  ['$sortArray', { operand: 2942500, unknown: 2942501, missing: [2942502, 2942503] }],
  ['$firstN', pick(5787801)],
  ['$lastN', pick(5787801)],
  ['$minN', pick(5787900)],
  ['$maxN', pick(5787900)],
  ['$trim', TRIM],
  ['$ltrim', TRIM],
  ['$rtrim', TRIM],
  ['$replaceOne', REPLACE],
  ['$replaceAll', REPLACE],
  ['$regexMatch', REGEX],
  ['$regexFind', REGEX],
  ['$regexFindAll', REGEX],
  ['$getField', { operand: 3041700, unknown: 3041701, missing: [3041702] }],
  ['$setField', SET_FIELD],
  ['$unsetField', SET_FIELD],
  ['$dateAdd', DATE_ADD],
  ['$dateSubtract', DATE_ADD],
  ['$dateDiff', { operand: 5166301, unknown: 5166302, missing: [5166303, 5166304, 5166305] }],
  ['$dateTrunc', { operand: 5439007, unknown: 5439008, missing: [5439009, 5439010] }],
  ['$dateFromParts', { operand: 40519, unknown: 40518, missing: [] }],
  ['$dateToParts', { operand: 40524, unknown: 40520, missing: [40522] }],
  ['$dateToString', { operand: 18629, unknown: 18534, missing: [18628] }],
  ['$bucket', { operand: 40201, unknown: 40197, missing: [40198, 40198] }],
  ['$bucketAuto', { operand: 40240, unknown: 40245, missing: [40246, 40246] }],
  ['$graphLookup', { unknown: 40104, missing: [9, 40105, 40105, 40105, 40105] }],
  ['$setWindowFields', { unknown: 40415, missing: [40414] }],
  ['$dateFromString', { operand: 40540, unknown: 40541, missing: [40542] }],
]);
