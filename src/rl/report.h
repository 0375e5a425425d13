// The notebook of a run: an HTML page from what is in the run's folder, also while the run goes on. It works offline.
// Curves and samples are in the one file; all rollouts stand in scripts beside it. docs/rl.md says what it shows.
#pragma once

#include <filesystem>
#include <vector>

#include "base/json.h"

namespace fulgur {

class Tokenizer;

inline constexpr const char* kReportFile = "report.html";  // in the run's folder
inline constexpr const char* kNotesFile = "notes.md";      // likewise: the researcher's own words

// What the page draws, from one folder or several: curves of at most kReportPoints points (of longer runs, each stands
// for several batches in a row), histograms, and a bounded number of samples. Lines that cannot be read are left out:
// the end of a file that is being written, or was when the process was killed. tokenizer: that of all the runs; null:
// looked for in the run's model/ and at its config's "model". html: where the page will stand; then the scripts with
// all rollouts of a single run are written into a folder beside it that has its name (report/ for report.html), and the
// page loads them when they are looked at. Error: a folder that holds no run.
inline constexpr int64_t kReportPoints = 500;
Json ReportData(const std::vector<std::filesystem::path>& runs, const Tokenizer* tokenizer = nullptr,
                const std::filesystem::path& html = {});

// Writes the page to `html`, which has its old or its new content at any moment. Texts of the runs (models wrote them)
// cannot become part of the page's markup or script. Errors as ReportData, and when it cannot be written.
void WriteReport(const std::vector<std::filesystem::path>& runs, const std::filesystem::path& html,
                 const Tokenizer* tokenizer = nullptr);

}  // namespace fulgur
