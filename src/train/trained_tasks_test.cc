#include "train/trained_tasks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"

namespace fulgur {
namespace {

TEST(TrainedTasks, ReadsWhatItWrites) {
  const TestFolder folder;
  EXPECT_TRUE(ReadTrainedTasks(folder.path()).empty());
  WriteTrainedTasks(folder.path(), {});
  EXPECT_FALSE(std::filesystem::exists(folder / "tasks.json"));
  WriteTrainedTasks(folder.path(), {"sudoku", "addition"});
  EXPECT_EQ(ReadTrainedTasks(folder.path()), (std::set<std::string>{"addition", "sudoku"}));
}

TEST(TrainedTasks, ErrorsNameTheFile) {
  const TestFolder folder;
  const auto error = [&](const std::string& text) -> std::string {
    WriteFileAtomic(folder / "tasks.json", text);
    try {
      ReadTrainedTasks(folder.path());
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_THAT(error("{}"), testing::HasSubstr("tasks.json: must be a list of names of tasks"));
  EXPECT_THAT(error("[3]"), testing::HasSubstr("tasks.json: 3 is not the name of a task"));
  EXPECT_THAT(error("[\"chess\"]"), testing::AllOf(testing::HasSubstr("tasks.json"), testing::HasSubstr("chess")));
}

}  // namespace
}  // namespace fulgur
