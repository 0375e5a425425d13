#include "base/records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"

namespace fulgur {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

template <typename F>
std::string ErrorOf(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

std::string Gzipped(const std::string& text) {
  z_stream z{};
  deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, text.size()) + 32, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

std::string Zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

std::vector<std::string> Texts(const Records& records) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < records.size(); ++i) texts.push_back(records.Get(i)["text"]);
  return texts;
}

TEST(Records, LinesOfJsonWithoutBlankOnes) {
  TestFolder folder;
  WriteFileAtomic(folder / "a.jsonl", "\xef\xbb\xbf{\"text\": \"one\"}\n\n  \r\n{\"text\": \"two\"}");
  const Records records(folder / "a.jsonl", "text");
  EXPECT_THAT(Texts(records), ElementsAre("one", "two"));
  EXPECT_THAT(records.Where(1), testing::EndsWith("a.jsonl, line 4"));
  EXPECT_EQ(FirstRecord(folder / "a.jsonl")["text"], "one");
}

TEST(Records, ErrorsNameFileAndLine) {
  TestFolder folder;
  const auto error = [&](const std::string& content, const char* name = "a.jsonl") {
    WriteFileAtomic(folder / name, content);
    return ErrorOf([&] { Records(folder / name, "text"); });
  };
  EXPECT_THAT(error("{\"text\": \"one\"}\n\n{\"text\": "), AllOf(HasSubstr("a.jsonl"), HasSubstr("line 3")));
  EXPECT_THAT(error("{\"txt\": \"one\"}"), AllOf(HasSubstr("line 1"), HasSubstr("\"text\"")));
  EXPECT_THAT(error("{\"text\": 3}"), AllOf(HasSubstr("line 1"), HasSubstr("string")));
  EXPECT_THAT(error("\n"), HasSubstr("no lines"));
  EXPECT_THAT(error("[{\"text\": \"one\"}]"), HasSubstr("jq -c"));
  EXPECT_THAT(error("{\"text\": \"one\"}\n{\"text\": \"caf\xe9\"}\n"), AllOf(HasSubstr("line 2"), HasSubstr("UTF-8")));
  EXPECT_THAT(error("caf\xe9", "a.txt"), AllOf(HasSubstr("a.txt, line 1"), HasSubstr("UTF-8")));
  WriteFileAtomic(folder / "a.txt", "one");
  EXPECT_THAT(ErrorOf([&] { Records(folder / "a.txt", "messages"); }),
              AllOf(HasSubstr("a.txt"), HasSubstr("messages")));
}

TEST(Records, FoldersGlobsAndPackedFiles) {
  TestFolder folder;
  std::filesystem::create_directories(folder / "data/deep");
  std::filesystem::create_directories(folder / "data/.git");
  WriteFileAtomic(folder / "data/.git/x.txt", "hidden");
  WriteFileAtomic(folder / "data/a.txt", "a");
  WriteFileAtomic(folder / "data/b.md", "# b");
  WriteFileAtomic(folder / "data/c.jsonl.gz", Gzipped("{\"text\": \"c\"}\n") + Gzipped("{\"text\": \"cc\"}\n"));
  WriteFileAtomic(folder / "data/d.txt.zst", Zstd("d") + Zstd("d"));
  WriteFileAtomic(folder / "data/deep/e.json", "{\"text\": \"e\"}\n");
  WriteFileAtomic(folder / "data/image.png", "no text");
  EXPECT_THAT(Texts(Records(folder / "data", "text")), ElementsAre("a", "# b", "c", "cc", "dd", "e"));
  EXPECT_THAT(Texts(Records(folder / "data/*.txt", "text")), ElementsAre("a"));
  EXPECT_THAT(Texts(Records(folder / "data/[cd]*", "text")), ElementsAre("c", "cc", "dd"));
  // By their first bytes, whatever their names.
  std::filesystem::rename(folder / "data/c.jsonl.gz", folder / "c");
  EXPECT_THAT(Texts(Records(folder / "c", "text")), ElementsAre("c", "cc"));
  EXPECT_THAT(ErrorOf([&] { Records(folder / "data/*.jsonl", "text"); }), HasSubstr("no file matches"));
  std::filesystem::create_directories(folder / "pictures");
  WriteFileAtomic(folder / "pictures/image.png", "no text");
  EXPECT_THAT(ErrorOf([&] { Records(folder / "pictures", "text"); }), AllOf(HasSubstr(".jsonl"), HasSubstr("*.png")));
}

TEST(Records, TheNameOfAPath) {
  EXPECT_EQ(DataName("a/chats.jsonl"), "chats");
  EXPECT_EQ(DataName("a/chats.jsonl.gz"), "chats");
  EXPECT_EQ(DataName("a/texts/"), "texts");
  EXPECT_EQ(DataName("a/texts/*.txt"), "texts");
  EXPECT_EQ(DataName("*.txt"), "data");
}

TEST(Records, WhatIsNoTextIsRefusedWithTheWayToConvertIt) {
  TestFolder folder;
  const auto error = [&](const char* name, const std::string& content) {
    WriteFileAtomic(folder / name, content);
    return ErrorOf([&] { Records(folder / name, "text"); });
  };
  EXPECT_THAT(error("t.parquet", "PAR1\x15\x04 PAR1"),
              AllOf(HasSubstr("t.parquet is Parquet"), HasSubstr("read_parquet")));
  EXPECT_THAT(error("t.jsonl", "PAR1\x15\x04 PAR1"), HasSubstr("read_parquet"));
  EXPECT_THAT(error("t.txt", "BZh91AY"), HasSubstr("bunzip2"));
  EXPECT_THAT(error("t.md", std::string("\xff\xfe"
                                        "a\0",
                                        4)),
              HasSubstr("iconv -f UTF-16"));
  const std::string lines(100000, '\n'), packed = Gzipped("{\"text\": \"" + std::string(5000, 'x') + "\"}"),
                                         zstd = Zstd("{\"text\": \"" + std::string(5000, 'x') + "\"}");
  EXPECT_THAT(error("g.gz", packed.substr(0, packed.size() - 9)), HasSubstr("cut off"));
  EXPECT_THAT(error("z.zst", zstd.substr(0, zstd.size() - 3)), HasSubstr("cut off"));
  EXPECT_THAT(error("g.gz", packed.substr(0, 20) + "\xff\xff\xff\xff" + packed.substr(24)), HasSubstr("g.gz"));
  // A folder with a file of the kind is refused as a whole: it would not be noticed that it is missing.
  TestFolder data;
  WriteFileAtomic(data / "a.txt", "a");
  WriteFileAtomic(data / "b.parquet", "PAR1");
  EXPECT_THAT(ErrorOf([&] { Records(data.path(), "text"); }), HasSubstr("b.parquet is Parquet"));
}

TEST(Records, ALongTextIsCutBetweenParagraphs) {
  TestFolder folder;
  std::string text;
  for (int i = 0; text.size() < 5 * Records::kMostText; ++i) {
    text += "Paragraph " + std::to_string(i) + " begins.\nIt has two lines.\n\n";
  }
  WriteFileAtomic(folder / "long.txt", text);
  const Records records(folder / "long.txt", "text");
  EXPECT_EQ(records.size(), 6u);
  std::string all;
  for (const std::string& piece : Texts(records)) {
    EXPECT_LE(piece.size(), Records::kMostText);
    EXPECT_THAT(piece, AllOf(testing::StartsWith("Paragraph"), testing::EndsWith("lines.\n\n")));
    all += piece;
  }
  EXPECT_EQ(all, text);
  const size_t second = records.Get(0)["text"].get<std::string>().size();
  EXPECT_THAT(records.Where(1),
              testing::EndsWith("line " + std::to_string(1 + std::count(text.begin(), text.begin() + second, '\n'))));
  // Without lines: between characters.
  std::string dense;
  while (dense.size() < 2 * Records::kMostText) dense += "ä";
  WriteFileAtomic(folder / "dense.txt", "x" + dense);
  all.clear();
  for (const std::string& piece : Texts(Records(folder / "dense.txt", "text"))) all += piece;
  EXPECT_EQ(all, "x" + dense);
}

}  // namespace
}  // namespace fulgur
