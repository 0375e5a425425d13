#include "apps/option_checks.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <string>

#include "base/error.h"
#include "model/model_folder.h"
#include "unicode/unicode.h"

namespace fulgur {
namespace {

// True if all of `text` is a number of type T. *too_large: it would be, if T had more digits.
template <typename T>
bool Parse(const std::string& text, T* value, bool* too_large) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *value);
  *too_large = error == std::errc::result_out_of_range && stop == end;
  return error == std::errc() && stop == end;
}

}  // namespace

CLI::Validator WholeNumber(uint64_t low, uint64_t high) {
  const auto check = [low, high](const std::string& text) -> std::string {
    uint64_t value = 0;
    bool too_large = false;
    const bool number = Parse(text, &value, &too_large);
    if (number && value >= low && value <= high) return {};
    if (too_large || (number && value > high && high == kNoLimit)) {
      return fmt::format("{} is too large; the most is {}", text, high);
    }
    if (high == kNoLimit) return fmt::format("must be a whole number of at least {}, not {}", low, text);
    return fmt::format("must be a whole number from {} to {}, not {}", low, high, text);
  };
  return {check, /*validator_desc=*/""};
}

CLI::Validator Number(double low, double high) {
  const auto check = [low, high](const std::string& text) -> std::string {
    double value = 0;
    bool too_large = false;
    if (Parse(text, &value, &too_large) && value >= low && value <= high) return {};
    return fmt::format("must be a number from {} to {}, not {}", low, high, text);
  };
  return {check, /*validator_desc=*/""};
}

CLI::Validator Utf8Text() {
  const auto check = [](const std::string& text) -> std::string {
    const size_t valid = ValidUtf8Prefix(text);
    return valid == text.size() ? std::string() : fmt::format("must be UTF-8 text; byte {} is not", valid);
  };
  return {check, /*validator_desc=*/""};
}

CLI::Validator Seed() { return WholeNumber(0, std::numeric_limits<uint64_t>::max()); }

CLI::Validator Threads() { return WholeNumber(0, 1024); }

CLI::Option* AddKvCacheOption(CLI::App& app, std::optional<KvFormat>& format, const char* default_text) {
  const auto check = [](const std::string& text) -> std::string {
    return KvFormatFromName(text) ? std::string() : fmt::format("must be f32, bf16, bf16-dot or int8, not {}", text);
  };
  return app
      .add_option_function<std::string>(
          "--kv-cache", [&format](const std::string& name) { format = KvFormatFromName(name); },
          fmt::format("How keys and values of past tokens are kept: f32, bf16, bf16-dot or int8 (default: {})",
                      default_text))
      ->check(CLI::Validator(check, ""));
}

CLI::Option* AddModelOption(CLI::App& app, std::string& model, const char* text) {
  const auto find = [](std::string& folder) -> std::string {
    try {
      folder = ModelFolder(folder).string();
      return {};
    } catch (const Error& e) {
      return e.what();
    }
  };
  return app.add_option("model", model, text)->required()->transform(CLI::Validator(find, ""));
}

CLI::Validator ThinkingPresets() {
  const auto replace = [](std::string& text) -> std::string {
    if (text == "40k" || text == "40K") text = "40960";
    if (text == "80k" || text == "80K") text = "81920";
    return {};
  };
  return {replace, /*validator_desc=*/""};
}

}  // namespace fulgur
