// JSON lines from standard input to standard output.
#pragma once

#include <cstdio>
#include <iostream>
#include <string>

#include "base/error.h"
#include "base/json.h"

namespace fulgur {

// Writes one line for each line read: what `answer` makes of the object, or {"error": ...} where it throws Error.
// Blank lines are passed over.
template <typename F>
void AnswerJsonLines(F answer) {
  std::string line;
  for (int64_t number = 1; std::getline(std::cin, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    Json result;
    try {
      result = answer(ParseJson(line, fmt::format("line {}", number)));
    } catch (const Error& e) {
      result = Json{{"error", e.what()}};
    }
    // An error may quote bytes that are no UTF-8.
    const std::string text = result.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace) + "\n";
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
      throw Error("standard output: cannot write");
    }
  }
}

}  // namespace fulgur
