import { type ErrorCode, type ErrorInfo, GatewayError } from '../../../errors.js';

/** An error with the sentence that chat clients expect. */
export class ChatError extends GatewayError {
  readonly words: string;

  constructor(code: ErrorCode, words: string, info: ErrorInfo = {}) {
    super(code, info);
    this.words = words;
  }
}

/** The refusal when the caller has a block with every other participant. */
export const blockedUser = () => new ChatError('FORBIDDEN', 'Cannot send message to a blocked user');

const generalWords: Record<ErrorCode, string> = {
  VALIDATION_ERROR: 'The data is not valid',
  INVALID_TOKEN: 'Authentication failed',
  INVALID_API_KEY: 'Authentication failed',
  NOT_ENOUGH_SCOPE: 'Access denied',
  FORBIDDEN: 'Access denied',
  NOT_FOUND: 'Not found or access denied',
  METHOD_NOT_ALLOWED: 'Not allowed here',
  CONFLICT: 'Changed by another user meanwhile',
  ALREADY_ASSIGNED: 'Already assigned to another agent',
  PAYLOAD_TOO_LARGE: 'The data is too large',
  FILE_TOO_LARGE: 'The file is too large',
  QUOTA_EXCEEDED: 'There is no room for more files',
  RATE_LIMITED: 'Rate limit exceeded',
  INTERNAL_ERROR: 'Something went wrong',
  UNAVAILABLE: 'Not available at the moment',
};

/** The sentence that a chat client gets for an error. */
export const wordsOf = (error: GatewayError): string =>
  error instanceof ChatError ? error.words : generalWords[error.code];
