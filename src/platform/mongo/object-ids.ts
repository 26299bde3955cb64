import type { Types } from 'mongoose';

/** An ObjectId is a time, a random value of the process that made it, and a counter. @returns that value, as hexadecimal digits */
export const processOf = (id: Types.ObjectId): string => id.toHexString().slice(8, 18);

/** Whether a process has made an id. */
export const isObjectIdOf = (id: Types.ObjectId, process: string): boolean => processOf(id) === process;
