import { type Connection, type Model, Schema, type Types } from 'mongoose';

/** A business contact of the account. Other services write this collection. */
export interface Contact {
  _id: Types.ObjectId;
  account: Types.ObjectId;
  name?: string;
  email?: string;
  phone?: string;
  image?: string;
}

const schema = new Schema<Contact>(
  {
    account: { type: Schema.Types.ObjectId, required: true, index: true },
    name: String,
    email: String,
    phone: String,
    image: String,
  },
  { collection: 'crm.contacts', timestamps: true },
);

/** The model on one connection. */
export const defineContact = (connection: Connection): Model<Contact> => connection.model<Contact>('Contact', schema);
