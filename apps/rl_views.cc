#include "apps/rl_views.h"

#include <ctime>
#include <filesystem>
#include <fstream>

#include "apps/commands.h"
#include "apps/sampling_options.h"
#include "base/error.h"
#include "base/file.h"
#include "rl/report.h"

namespace fulgur {
namespace {

int64_t Whole(const std::string& text, const char* what) {
  size_t used = 0;
  long long value = -1;
  try {
    value = std::stoll(text, &used);
  } catch (const std::exception&) {
  }
  if (used != text.size() || value < 0) throw Error("--show: the {} is \"{}\", not a whole number", what, text);
  return value;
}

// Appends a dated note to the run's notes.md.
void AddNote(const std::filesystem::path& run, const std::string& text) {
  if (!std::filesystem::exists(run / "metrics.jsonl") && !std::filesystem::exists(run / "run.json")) {
    throw Error("{} holds no run", run.string());
  }
  const std::time_t now = std::time(nullptr);
  char date[32];
  std::strftime(date, sizeof date, "%Y-%m-%d %H:%M", std::localtime(&now));
  const std::filesystem::path path = run / kNotesFile;
  std::string notes = std::filesystem::exists(path) ? ReadFile(path) : "";
  if (!notes.empty() && notes.back() != '\n') notes += '\n';
  WriteFileAtomic(path, notes + date + "  " + text + "\n");
}

}  // namespace

std::vector<CLI::Option*> RlViews::AddTo(CLI::App& app) {
  CLI::Option* list =
      app.add_option("--runs", runs, "Only list the runs below a folder, and what their configs differ in")
          ->type_name("FOLDER");
  app.add_option("--sort", sort, "Column of --runs to sort by; -COLUMN for the other way round")->needs(list);
  CLI::Option* look =
      app.add_option("--show", show,
                     "Only show rollouts: RUN lists its batches, RUN BATCH the groups of one, RUN BATCH "
                     "GROUP all of a group")
          ->type_name("RUN [BATCH [GROUP]]")
          ->expected(1, 3);
  app.add_option("--task", query.task, "With --show: only problems of this task")->needs(look);
  app.add_option("--text", query.text, "With --show: only with this text in prompt or answer")->needs(look);
  app.add_option("--below", query.below, "With --show: only answers with a score below this")->needs(look);
  app.add_flag("--evaluations", query.evaluations, "With --show: answers to held-out problems")->needs(look);
  CLI::Option* remark = app.add_option("--note", note, "Only add a line to the notes of the run of --show")
                            ->type_name("TEXT")
                            ->needs(look);
  list->excludes(look);
  return {list, look, remark};
}

bool RlViews::Run(bool json) {
  if (!runs.empty()) {
    const Json found = ListRuns(runs);
    Print(json ? found.dump() + "\n" : RunTable(found, sort));
    return true;
  }
  if (show.empty()) return false;
  if (!note.empty()) {
    AddNote(show[0], note);
    return true;
  }
  if (show.size() > 1) query.batch = Whole(show[1], "batch");
  if (show.size() > 2) query.index = Whole(show[2], "group");
  const Json found = FindRollouts(show[0], query);
  Print(json ? found.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n" : RolloutText(found));
  return true;
}

}  // namespace fulgur
