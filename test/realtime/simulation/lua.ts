import { type LuaState, type LuaString, lauxlib, lua, lualib, to_luastring } from 'fengari';

/** Replies of Redis. Text is binary: one character for each byte. */
export type Reply = number | string | null | RedisError | Simple | Reply[] | Map<string, Reply>;

/** A reply of one line, such as `OK`. */
export class Simple {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** An error reply. */
export class RedisError extends Error {}

type Call = (command: readonly string[]) => Reply;

/** Redis has Lua 5.1, where this is global. The VM has Lua 5.3, which prints floats without a fraction as `1.0`. */
const PRELUDE = 'unpack = table.unpack';

const bytesOf = (text: string): LuaString => new Uint8Array(Buffer.from(text, 'latin1'));
const textOf = (bytes: LuaString): string => Buffer.from(bytes).toString('latin1');

/** Runs scripts as Redis does: with `KEYS`, `ARGV` and `redis.call`. */
export class LuaScripts {
  readonly #state: LuaState = lauxlib.luaL_newstate();
  readonly #scripts = new Map<string, number>();
  readonly #call: Call;

  /** @param call runs a command. It throws {@link RedisError} */
  constructor(call: Call) {
    const L = this.#state;
    this.#call = call;
    lualib.luaL_openlibs(L);
    this.#run(this.#load(PRELUDE), 0);
    lua.lua_createtable(L, 0, 2);
    lua.lua_pushjsfunction(L, (state) => this.#command(state, true));
    lua.lua_setfield(L, -2, to_luastring('call'));
    lua.lua_pushjsfunction(L, (state) => this.#command(state, false));
    lua.lua_setfield(L, -2, to_luastring('pcall'));
    lua.lua_setglobal(L, to_luastring('redis'));
  }

  has(sha: string): boolean {
    return this.#scripts.has(sha);
  }

  load(sha: string, code: string): void {
    if (!this.has(sha)) this.#scripts.set(sha, this.#load(code));
  }

  clear(): void {
    this.#scripts.clear();
  }

  /** @throws RedisError */
  run(sha: string, keys: readonly string[], args: readonly string[]): Reply {
    const L = this.#state;
    const script = this.#scripts.get(sha);
    if (script === undefined) throw new RedisError('NOSCRIPT No matching script.');
    this.#setList('KEYS', keys);
    this.#setList('ARGV', args);
    this.#run(script, 1);
    const reply = this.#take(L, -1);
    lua.lua_settop(L, 0);
    if (reply instanceof RedisError) throw reply;
    return reply;
  }

  #load(code: string): number {
    const L = this.#state;
    const bytes = bytesOf(code);
    if (lauxlib.luaL_loadbuffer(L, bytes, bytes.length, to_luastring('@user_script')) !== lua.LUA_OK) this.#fail();
    return lauxlib.luaL_ref(L, lua.LUA_REGISTRYINDEX);
  }

  #run(script: number, results: number): void {
    const L = this.#state;
    lua.lua_rawgeti(L, lua.LUA_REGISTRYINDEX, script);
    if (lua.lua_pcall(L, 0, results, 0) !== lua.LUA_OK) this.#fail();
  }

  #fail(): never {
    const message = lua.lua_tojsstring(this.#state, -1);
    lua.lua_settop(this.#state, 0);
    throw new RedisError(`ERR ${message}`);
  }

  #setList(name: string, values: readonly string[]): void {
    const L = this.#state;
    lua.lua_createtable(L, values.length, 0);
    for (const [index, value] of values.entries()) {
      lua.lua_pushstring(L, bytesOf(value));
      lua.lua_rawseti(L, -2, index + 1);
    }
    lua.lua_setglobal(L, to_luastring(name));
  }

  #command(L: LuaState, throws: boolean): number {
    const command: string[] = [];
    for (let index = 1; index <= lua.lua_gettop(L); index += 1) {
      // Redis prints numbers without a fraction as integers.
      const isNumber = lua.lua_type(L, index) === lua.LUA_TNUMBER;
      command.push(isNumber ? String(lua.lua_tonumber(L, index)) : textOf(lua.lua_tostring(L, index)));
    }
    try {
      this.#push(L, this.#call(command));
      return 1;
    } catch (error) {
      if (!(error instanceof RedisError)) throw error;
      if (throws) {
        lua.lua_pushstring(L, bytesOf(error.message));
        return lua.lua_error(L);
      }
      lua.lua_createtable(L, 0, 1);
      lua.lua_pushstring(L, bytesOf(error.message));
      lua.lua_setfield(L, -2, to_luastring('err'));
      return 1;
    }
  }

  #push(L: LuaState, reply: Reply): void {
    // Integers of the VM have 32 bits.
    if (typeof reply === 'number' && Math.abs(reply) < 2 ** 31) lua.lua_pushinteger(L, reply);
    else if (typeof reply === 'number') lua.lua_pushnumber(L, reply);
    else if (typeof reply === 'string') lua.lua_pushstring(L, bytesOf(reply));
    else if (reply instanceof Simple) {
      lua.lua_createtable(L, 0, 1);
      lua.lua_pushstring(L, bytesOf(reply.text));
      lua.lua_setfield(L, -2, to_luastring('ok'));
    } else if (Array.isArray(reply)) {
      lua.lua_createtable(L, reply.length, 0);
      for (const [index, value] of reply.entries()) {
        this.#push(L, value);
        lua.lua_rawseti(L, -2, index + 1);
      }
    } else lua.lua_pushboolean(L, false);
  }

  #take(L: LuaState, index: number): Reply {
    const type = lua.lua_type(L, index);
    if (type === lua.LUA_TNUMBER) return Math.trunc(lua.lua_tonumber(L, index));
    if (type === lua.LUA_TSTRING) return textOf(lua.lua_tostring(L, index));
    if (type === lua.LUA_TBOOLEAN) return lua.lua_toboolean(L, index) ? 1 : null;
    if (type !== lua.LUA_TTABLE) return null;
    if (lua.lua_getfield(L, index, to_luastring('err')) === lua.LUA_TSTRING) return new RedisError(this.#taken(L));
    lua.lua_pop(L, 1);
    if (lua.lua_getfield(L, index, to_luastring('ok')) === lua.LUA_TSTRING) return new Simple(this.#taken(L));
    lua.lua_pop(L, 1);
    const list: Reply[] = [];
    for (let key = 1; ; key += 1) {
      const isEnd = lua.lua_rawgeti(L, index, key) === lua.LUA_TNIL;
      if (!isEnd) list.push(this.#take(L, -1));
      lua.lua_pop(L, 1);
      if (isEnd) return list;
    }
  }

  #taken(L: LuaState): string {
    const text = textOf(lua.lua_tostring(L, -1));
    lua.lua_pop(L, 1);
    return text;
  }
}
