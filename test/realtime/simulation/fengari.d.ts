/** The part of fengari, a Lua VM, that the tests use; the package has no types. Its names are those of Lua's C API. */
declare module 'fengari' {
  interface LuaState {
    readonly _brand: 'lua_State';
  }
  type LuaString = Uint8Array;
  export const lua: {
    readonly LUA_REGISTRYINDEX: number;
    readonly LUA_OK: number;
    readonly LUA_TNIL: number;
    readonly LUA_TBOOLEAN: number;
    readonly LUA_TNUMBER: number;
    readonly LUA_TSTRING: number;
    readonly LUA_TTABLE: number;
    lua_createtable(L: LuaState, arrayLength: number, fields: number): void;
    lua_error(L: LuaState): number;
    lua_getfield(L: LuaState, index: number, key: LuaString): number;
    lua_gettop(L: LuaState): number;
    lua_pcall(L: LuaState, args: number, results: number, handler: number): number;
    lua_pop(L: LuaState, count: number): void;
    lua_pushboolean(L: LuaState, value: boolean): void;
    lua_pushinteger(L: LuaState, value: number): void;
    lua_pushjsfunction(L: LuaState, value: (L: LuaState) => number): void;
    lua_pushnumber(L: LuaState, value: number): void;
    lua_pushstring(L: LuaState, value: LuaString): void;
    lua_rawgeti(L: LuaState, index: number, key: number): number;
    lua_rawseti(L: LuaState, index: number, key: number): void;
    lua_setfield(L: LuaState, index: number, key: LuaString): void;
    lua_setglobal(L: LuaState, name: LuaString): void;
    lua_settop(L: LuaState, index: number): void;
    lua_toboolean(L: LuaState, index: number): boolean;
    lua_tojsstring(L: LuaState, index: number): string;
    lua_tonumber(L: LuaState, index: number): number;
    lua_tostring(L: LuaState, index: number): LuaString;
    lua_type(L: LuaState, index: number): number;
  };
  export const lauxlib: {
    luaL_loadbuffer(L: LuaState, code: LuaString, length: number, name: LuaString): number;
    luaL_newstate(): LuaState;
    luaL_ref(L: LuaState, table: number): number;
  };
  export const lualib: { luaL_openlibs(L: LuaState): void };
  export function to_luastring(text: string): LuaString;
}
