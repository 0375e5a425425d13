#include "train/tensorboard.h"

#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"

namespace fulgur {
namespace {

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return hex;
}

// Check values of RFC 3720, section B.4, and of the usual catalogue.
TEST(Crc32c, KnownValues) {
  EXPECT_EQ(Crc32c("123456789", 9), 0xe3069283u);
  const std::string zeros(32, '\0'), ones(32, '\xff');
  EXPECT_EQ(Crc32c(zeros.data(), 32), 0x8a9136aau);
  EXPECT_EQ(Crc32c(ones.data(), 32), 0x62a8ab43u);
  std::string rising;
  for (char i = 0; i < 32; ++i) rising.push_back(i);
  EXPECT_EQ(Crc32c(rising.data(), 32), 0x46dd794eu);
  EXPECT_EQ(Crc32c("", 0), 0u);
}

TEST(Crc32c, PiecesGiveTheCrcOfTheWhole) {
  const std::string text = "The quick brown fox jumps over the lazy dog, again and again.";
  const uint32_t whole = Crc32c(text.data(), text.size());
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(Crc32c(text.data() + cut, text.size() - cut, Crc32c(text.data(), cut)), whole) << cut;
  }
}

// Bytes from an independent implementation (bit by bit CRC, fields written by hand).
TEST(TensorBoard, KnownBytes) {
  EXPECT_EQ(Hex(TfRecord(FileVersionEvent(1.5))),
            "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c");
  const std::pair<std::string, float> scalars[] = {{"loss", 0.25f}, {"lr", -2.0f}};
  EXPECT_EQ(
      Hex(TfRecord(ScalarsEvent(2.0, 300, scalars))),
      "2600000000000000734fe30009000000000000004010ac022a180a0b0a046c6f7373150000803e0a090a026c7215000000c0025d4a05");
}

TEST(TensorBoard, FileIsRecordsInARow) {
  const TestFolder folder;
  EventFile file(folder.path(), 1.5);
  const std::pair<std::string, float> scalars[] = {{"loss", 0.25f}};
  file.AddScalars(2.0, 7, scalars);
  file.Flush();
  EXPECT_TRUE(file.path().filename().string().starts_with("events.out.tfevents.0000000001."));
  EXPECT_EQ(ReadFile(file.path()), TfRecord(FileVersionEvent(1.5)) + TfRecord(ScalarsEvent(2.0, 7, scalars)));
}

}  // namespace
}  // namespace fulgur
