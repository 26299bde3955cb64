import { type Connection, type Model, Schema, type Types } from 'mongoose';

/** Agents who share conversations. `members` alone decides who belongs to it. */
export interface Department {
  _id: Types.ObjectId;
  name: string;
  members: Types.ObjectId[];
  createdAt: Date;
  updatedAt: Date;
}

const schema = new Schema<Department>(
  { name: { type: String, required: true }, members: { type: [Schema.Types.ObjectId], default: [] } },
  { collection: 'support.departments', timestamps: true },
);
schema.index({ members: 1 });
schema.index({ name: 1 });

/** The model on one connection. */
export const defineDepartment = (connection: Connection): Model<Department> =>
  connection.model<Department>('Department', schema);
