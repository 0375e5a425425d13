// A template and, after a zero byte, its context in JSON.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "jinja/jinja.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fulgur;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t zero = input.find('\0');
  try {
    Json context = Json::object();
    if (zero != std::string_view::npos) context = ParseJson(input.substr(zero + 1), "context");
    JinjaTemplate::Options options;
    options.now = ParseDateTime("2024-02-29T23:59:00");
    options.max_work = 20'000;
    const JinjaTemplate::Result result =
        JinjaTemplate(input.substr(0, zero)).Render(context, {{"bos_token", "<s>"}}, options);
    size_t end = 0;
    for (const auto& [from, to] : result.trusted) {
      FULGUR_CHECK(from < to && (end == 0 || from > end) && to <= result.text.size());
      end = to;
    }
  } catch (const Error&) {
  }
  return 0;
}
