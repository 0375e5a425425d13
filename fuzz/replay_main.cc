// Runs every file of the folder named on the command line through a fuzz target, without libFuzzer.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>

#include "base/file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  int files = 0;
  try {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[1])) {
      if (!entry.is_regular_file()) continue;
      // Named before it runs: the last line tells which input a crash is from.
      std::fprintf(stderr, "%s\n", entry.path().c_str());
      const std::string content = fulgur::ReadFile(entry.path());
      LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(content.data()), content.size());
      ++files;
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  if (files == 0) {
    std::fprintf(stderr, "no files in %s\n", argv[1]);
    return 1;
  }
  std::printf("%d inputs\n", files);
  return 0;
}
