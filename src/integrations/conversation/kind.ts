import type { Model, Types } from 'mongoose';
import type { Conversation } from '#shared/models/conversation.js';
import type { ConversationKindName } from '#shared/models/member.js';
import type { Person } from './people.js';

/** The fields of a stored message that all kinds share. */
export interface StoredMessage {
  _id: Types.ObjectId;
  UUID?: string;
  /** The conversation; for a communication, all its conversations. */
  conversation_id: Types.ObjectId | Types.ObjectId[];
  sent_by?: Types.ObjectId;
  data: string;
  mentions?: readonly Types.ObjectId[];
  /** Other services may store any value. */
  attachments?: readonly unknown[];
  createdAt?: Date;
}

/** The conversation and viewer of a message. */
export interface MessageView {
  readonly conversationId: string;
  readonly viewerId: string;
}

/** The fields of every message on the wire. */
export interface WireMessage {
  readonly _id: string;
  readonly data: string;
  readonly sent_by: { readonly name: string };
  /** Whether the viewer has sent it. */
  readonly is_sender: boolean;
  readonly createdAt: string;
}

/** Wire fields that only the kind of conversation can compute. */
export interface Description {
  readonly title: string;
  readonly image: string[];
}

/** Descriptive fields of a conversation; a kind can add more. */
export type Described = Pick<Conversation, '_id' | 'title' | 'image'>;

/**
 * The differences between the kinds of conversation. Access, lists, messages and counters are shared.
 *
 * @typeParam D descriptive wire fields of a conversation
 * @typeParam M a message on the wire
 */
export interface ConversationKind<D extends Description = Description, M extends WireMessage = WireMessage> {
  readonly name: ConversationKindName;
  readonly conversations: Model<Conversation>;
  readonly messages: Model<StoredMessage>;
  /** The model whose reader repairs messages that were read through the driver. */
  readonly messageModel: 'Message' | 'Communication';
  /** Names of the events sent to participants. */
  readonly events: { readonly added: string; readonly message: string; readonly read: string };
  /** Fields of every message sent here, as required by the partial index on UUIDs. */
  readonly fieldsOfSent: Readonly<Record<string, unknown>>;
  /** The search key of a title; `null`: the title is not searchable. */
  searchKeyOf(title: string): string | null;
  /** Reads what is needed to show these conversations. */
  describe(conversations: readonly Described[]): Promise<(conversation: Described) => D>;
  /** Reads what is needed to show these messages. @param known users that were read already */
  describeMessages(
    messages: readonly StoredMessage[],
    known?: readonly Person[],
  ): Promise<(message: StoredMessage, view: MessageView) => M>;
}
