#include <algorithm>

#include "eval/official_rules.h"
#include "text/python_text.h"

namespace fulgur::official {

namespace {

bool Passes(const std::string& status) { return status == "PASSED" || status == "XFAIL"; }

// The status of a test. An id that was cut off inside its parameters ("test_x[a b") stands for all that begin with it,
// if they agree on whether they pass. nullptr without one.
const std::string* StatusOf(const Json& status, const std::string& test) {
  if (const auto found = status.find(test); found != status.end()) return found->get_ptr<const std::string*>();
  if (python::Count(test, "[") <= python::Count(test, "]")) return nullptr;
  const std::string* first = nullptr;
  for (const auto& [name, value] : status.items()) {
    const auto* said = value.get_ptr<const std::string*>();
    if (!name.starts_with(test) || said == nullptr) continue;
    if (first == nullptr) first = said;
    if (Passes(*first) != Passes(*said)) return nullptr;
  }
  return first;
}

// Share of the tests that pass, of those that passed or failed; 1 if none did either.
double Share(const Json& status, std::span<const std::string> tests, bool skipped_passes) {
  int64_t passed = 0, failed = 0;
  for (const std::string& test : tests) {
    const std::string* said = StatusOf(status, test);
    if (said != nullptr && (Passes(*said) || (skipped_passes && *said == "SKIPPED"))) {
      ++passed;
    } else if (said == nullptr || *said == "FAILED" || *said == "ERROR" || *said == "SKIPPED") {
      ++failed;
    }
  }
  return passed + failed == 0 ? 1 : static_cast<double>(passed) / static_cast<double>(passed + failed);
}

}  // namespace

std::string SweBenchResolved(const Json& status, std::span<const std::string> fail_to_pass,
                             std::span<const std::string> pass_to_pass) {
  const double fixed = Share(status, fail_to_pass, /*skipped_passes=*/false);
  const double kept = Share(status, pass_to_pass, /*skipped_passes=*/true);
  if (kept < 1 || fixed == 0) return "RESOLVED_NO";
  return fixed < 1 ? "RESOLVED_PARTIAL" : "RESOLVED_FULL";
}

}  // namespace fulgur::official
