// lua-runner FUEL MEMORY PROGRAM.lua: runs a Lua program under limits that are the same on every machine: FUEL
// instructions of the virtual machine, MEMORY bytes of what Lua allocates. Out of one of them it ends itself by a
// signal, which says which.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

extern "C" {
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
}

#include "sandbox/run.h"

namespace {

constexpr int kStep = 1000;  // instructions between two looks at the fuel
long long g_fuel = 0;
size_t g_memory = 0, g_used = 0;
bool g_fixed_time = true;  // while Lua makes its seeds

[[noreturn]] void EndBy(int signal_number) {
  std::fflush(stdout);
  signal(signal_number, SIG_DFL);
  raise(signal_number);
  _exit(1);
}

void* Allocate(void*, void* block, size_t old_size, size_t size) {
  if (block == nullptr) old_size = 0;  // then it is a kind of object
  if (size == 0) {
    std::free(block);
    g_used -= old_size;
    return nullptr;
  }
  if (size > old_size && g_used + (size - old_size) > g_memory) return nullptr;  // Lua collects garbage and asks again
  void* grown = std::realloc(block, size);
  if (grown != nullptr) g_used += size - old_size;
  return grown;
}

void CountDown(lua_State*, lua_Debug*) {
  g_fuel -= kStep;
  if (g_fuel <= 0) EndBy(fulgur::kFuelSignal);
}

// Coroutines count with the rest: a hook belongs to one of them, so each gets it when it is made.
int MakeCoroutine(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TFUNCTION);
  lua_State* coroutine = lua_newthread(lua);
  lua_sethook(coroutine, CountDown, LUA_MASKCOUNT, kStep);
  lua_pushvalue(lua, 1);
  lua_xmove(lua, coroutine, 1);
  return 1;
}

int WithTrace(lua_State* lua) {
  const char* message = lua_tostring(lua, 1);
  luaL_traceback(lua, lua, message != nullptr ? message : "(the error is not a text)", 1);
  return 1;
}

// All but `package`: there are no modules to be loaded.
void OpenLibraries(lua_State* lua) {
  const luaL_Reg libraries[] = {
      {LUA_GNAME, luaopen_base},       {LUA_COLIBNAME, luaopen_coroutine}, {LUA_TABLIBNAME, luaopen_table},
      {LUA_IOLIBNAME, luaopen_io},     {LUA_OSLIBNAME, luaopen_os},        {LUA_STRLIBNAME, luaopen_string},
      {LUA_MATHLIBNAME, luaopen_math}, {LUA_UTF8LIBNAME, luaopen_utf8},    {LUA_DBLIBNAME, luaopen_debug}};
  for (const luaL_Reg& library : libraries) {
    luaL_requiref(lua, library.name, library.func, 1);
    lua_pop(lua, 1);
  }
}

// Without debug.sethook the count stays, and wrap is made of create.
constexpr const char* kPrelude = R"lua(
  local create, resume, status, close = coroutine.create, coroutine.resume, coroutine.status, coroutine.close
  local function given(co, ok, ...)
    if ok then return ... end
    if status(co) == "dead" then close(co) end
    error((...), 0)
  end
  coroutine.wrap = function(f)
    local co = create(f)
    return function(...) return given(co, resume(co, ...)) end
  end
  debug.sethook = nil
  local standard = {math = math, string = string, table = table, io = io, os = os, coroutine = coroutine, utf8 = utf8}
  function require(name) return standard[name] or error("there is no module " .. tostring(name), 2) end
)lua";

int Run(const char* path) {
  lua_State* lua = lua_newstate(Allocate, nullptr);
  if (lua == nullptr) EndBy(fulgur::kOutOfMemorySignal);
  OpenLibraries(lua);
  lua_getglobal(lua, "coroutine");
  lua_pushcfunction(lua, MakeCoroutine);
  lua_setfield(lua, -2, "create");
  lua_settop(lua, 0);
  g_fixed_time = false;
  if (luaL_dostring(lua, kPrelude) != LUA_OK) return 1;
  lua_sethook(lua, CountDown, LUA_MASKCOUNT, kStep);
  lua_pushcfunction(lua, WithTrace);
  int result = luaL_loadfilex(lua, path, "t");
  if (result == LUA_OK) result = lua_pcall(lua, 0, 0, 1);
  std::fflush(stdout);
  if (result == LUA_OK) return 0;
  const char* message = lua_tostring(lua, -1);
  std::fprintf(stderr, "%s%s\n", result == LUA_ERRSYNTAX ? "SyntaxError: " : "",
               message != nullptr ? message : "an error without a text");
  if (result == LUA_ERRMEM) EndBy(fulgur::kOutOfMemorySignal);
  return 1;
}

}  // namespace

// The linker puts this before the library's time().
extern "C" time_t __real_time(time_t* t);
extern "C" time_t __wrap_time(time_t* t) {
  if (!g_fixed_time) return __real_time(t);
  if (t != nullptr) *t = 1;
  return 1;
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  g_fuel = std::atoll(argv[1]);
  g_memory = static_cast<size_t>(std::atoll(argv[2]));
  return Run(argv[3]);
}
