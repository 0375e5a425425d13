// Errors. Two kinds, never mixed:
//   fulgur::Error   what a user can cause: a bad file, config, request, option. The text says what was wrong, where,
//   and
//                   what would be right. Thrown; the command line prints it and exits 1, the server answers 4xx.
//   FULGUR_CHECK    a programmer's mistake (a shape that cannot be, a broken invariant). Prints and aborts.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>

namespace fulgur {

class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
  template <typename... Args>
  requires(sizeof...(Args) > 0) explicit Error(fmt::format_string<Args...> format, Args&&... args)
      : std::runtime_error(fmt::format(format, std::forward<Args>(args)...)) {}
};

[[noreturn]] void CheckFailed(const char* file, int line, const char* condition, const std::string& message);

}  // namespace fulgur

// FULGUR_CHECK(condition) or FULGUR_CHECK(condition, "format {}", value).
#define FULGUR_CHECK(condition, ...) \
  (static_cast<bool>(condition)      \
       ? static_cast<void>(0)        \
       : ::fulgur::CheckFailed(__FILE__, __LINE__, #condition, ::fmt::format("" __VA_ARGS__)))
