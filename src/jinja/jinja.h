// A Jinja2 interpreter for chat templates: the statements, expressions, filters, tests and methods such templates use,
// set up as Hugging Face's `apply_chat_template` does (trim_blocks, lstrip_blocks, loop controls, no autoescape, values
// that cannot be changed, `raise_exception`, `strftime_now`, `tojson` that leaves text as it is).
//
// Left out: loading other templates (include, import, extends: an Error when reached), `self` and `super()`, the
// filters pprint, random, urlize and wordwrap, `lipsum`, and integers of more than 127 bits. See docs/chat-template.md.
#pragma once

#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace fulgur {

class JinjaTemplate {
 public:
  // `where` names the template in errors. Throws Error for what is not a template.
  explicit JinjaTemplate(std::string_view source, const std::string& where = "template");

  struct Result {
    std::string text;
    // The byte ranges [begin, end) of `text` that the template's author wrote, or that come from `trusted`: literal
    // text, possibly concatenated, cut, joined or replaced. Everything that depends on the bytes of `context` lies
    // outside.
    std::vector<std::pair<size_t, size_t>> trusted;
  };
  struct Options {
    std::optional<std::tm> now;     // the clock of strftime_now; the local time if absent
    int64_t max_work = 20'000'000;  // about one unit per node evaluated and per 16 bytes of text made
  };

  // context, trusted: objects whose keys are the template's variables. Throws Error for what Jinja2 raises, for
  // raise_exception, and when the work, the nesting or a text (64 MiB) grows beyond bounds.
  Result Render(const Json& context, const Json& trusted, const Options& options) const;
  std::string Render(const Json& context) const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

// "2024-02-29T23:59:00" (fractions and zones are not read). Throws Error.
std::tm ParseDateTime(const std::string& text);

}  // namespace fulgur
