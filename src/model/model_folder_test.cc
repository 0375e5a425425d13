#include "model/model_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"

namespace fulgur {
namespace {

TEST(ModelFolder, AModelOrTheModelOfARun) {
  TestFolder folder;
  std::filesystem::create_directories(folder / "plain");
  WriteFileAtomic(folder / "plain/config.json", "{}");
  EXPECT_EQ(ModelFolder(folder / "plain"), folder / "plain");
  EXPECT_EQ(ModelName(folder / "plain"), "plain");
  EXPECT_EQ(ModelName(folder / "plain/"), "plain");
  std::filesystem::create_directories(folder / "mine/model");
  WriteFileAtomic(folder / "mine/run.json", "{}");
  WriteFileAtomic(folder / "mine/config.json", "{}");  // of the run, as reinforcement learning keeps it
  try {
    ModelFolder(folder / "mine");
    ADD_FAILURE() << "it has no model";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("has not come to its end"));
  }
  WriteFileAtomic(folder / "mine/model/config.json", "{}");
  EXPECT_EQ(ModelFolder(folder / "mine"), folder / "mine/model");
  EXPECT_EQ(ModelName(folder / "mine/model"), "mine");
  EXPECT_EQ(ModelFolder(folder / "nothing"), folder / "nothing");  // whoever opens it says so
}

}  // namespace
}  // namespace fulgur
