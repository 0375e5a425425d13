// Where, when and from which source a run was computed.
#pragma once

#include <filesystem>
#include <string>

#include "base/json.h"

namespace fulgur {

// The state of the git repository of the current folder: {"commit", "branch", "dirty"}; null if there is none, or no
// git.
Json GitState();
// What `git diff HEAD` says of it; empty if there is nothing to say.
std::string GitDiff();

// "name of the processor", threads and time for a line of sessions.jsonl.
Json MachineState(int threads);

// Bytes of memory that this process has in use, and the most it had: {"resident", "peak"}.
Json MemoryJson();

// Appends a line to a file of JSON lines.
void AppendJsonLine(const std::filesystem::path& path, const Json& line);

}  // namespace fulgur
