#include "rl/problem_filter.h"

#include <cstdio>
#include <string>

#include "base/error.h"
#include "base/file.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;

// The records of the file whose rates are within the filter's bounds.
std::vector<size_t> Kept(const fs::path& path, const ProblemSourceConfig::Filter& filter, size_t size) {
  const Json known = ReadJsonFile(path);
  if (!known.is_object() || !known.contains("rates")) throw Error("{} has no \"rates\"", path.string());
  std::vector<size_t> kept;
  for (const Json& rate : known["rates"]) {
    if (!rate.is_array() || rate.size() != 2 || !rate[0].is_number_unsigned() || !rate[1].is_number() ||
        rate[0].get<size_t>() >= size) {
      throw Error("{}: \"rates\" holds {}", path.string(), rate.dump());
    }
    const double passed = rate[1].get<double>();
    if (passed > filter.low && passed < filter.high) kept.push_back(rate[0].get<size_t>());
  }
  return kept;
}

}  // namespace

bool FilterProblems(ProblemSet& problems, const fs::path& folder, bool must_be_known, bool quiet,
                    const TryProblems& try_problems) {
  for (size_t s = 0; s < problems.size(); ++s) {
    const ProblemSourceConfig& source = problems.config(s);
    if (source.filter.samples == 0) continue;
    const std::vector<size_t> records = problems.records(s);
    const fs::path path = folder / (source.name + ".json");
    if (!fs::exists(path)) {
      if (must_be_known) throw Error("{} is gone, which says which problems this run uses", path.string());
      const RolloutResult tried = try_problems(s, records);
      if (tried.stopped) return false;
      Json rates = Json::array();
      for (const Group& group : tried.groups) {
        if (group.judged() == 0) continue;
        rates.push_back(
            {records[static_cast<size_t>(group.index)], group.passed() / static_cast<double>(group.judged())});
      }
      WriteFileAtomic(path, Json{{"samples", source.filter.samples}, {"rates", rates}}.dump() + "\n");
    }
    std::vector<size_t> kept = Kept(path, source.filter, problems.file_size(s));
    if (!quiet) {
      std::fprintf(stderr,
                   "%s: %zu problems, %zu of them solved with a rate between %g and %g; %lld more left out as "
                   "contaminated\n",
                   source.name.c_str(), records.size(), kept.size(), source.filter.low, source.filter.high,
                   static_cast<long long>(problems.contaminated(s).size()));
    }
    problems.KeepRecords(s, std::move(kept));
  }
  return true;
}

}  // namespace fulgur
