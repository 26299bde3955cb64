import { type Connection, type InferSchemaType, type Model, Schema } from 'mongoose';

const schema = new Schema(
  {
    /** Site and user; made by the gateway in one place. */
    _id: String,
    site: { type: String, required: true },
    userId: { type: String, required: true },
    /** The shared rooms that the website of the site listed when the user connected last. */
    rooms: { type: [String], required: true },
  },
  { collection: 'sites.members' },
);
schema.index({ site: 1, rooms: 1 });

/** In which rooms a user of a push site is, connected or not. */
export type SiteMember = InferSchemaType<typeof schema>;

/** The model on one connection. */
export const defineSiteMember = (connection: Connection): Model<SiteMember> =>
  connection.model<SiteMember>('SiteMember', schema);
