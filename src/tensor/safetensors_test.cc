#include "tensor/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <limits>

#include "base/json.h"
#include "base/rng.h"
#include "base/test_folder.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

fs::path TestFile(const std::string& name) {
  static const TestFolder folder;
  return folder / name;
}

void Put(const fs::path& path, std::string_view content) { WriteFileAtomic(path, content); }

// A file with this header text and this many bytes of data 0, 1, 2, ...
std::string File(const std::string& header, size_t data_bytes) {
  const uint64_t n = header.size();
  std::string file(reinterpret_cast<const char*>(&n), sizeof n);
  file += header;
  for (size_t i = 0; i < data_bytes; ++i) file += static_cast<char>(i);
  return file;
}

std::string ErrorOf(const std::string& content) {
  const fs::path path = TestFile("bad.safetensors");
  Put(path, content);
  try {
    ReadSafetensors(path);
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("bad.safetensors"));
    return e.what();
  }
  return "no error";
}

TEST(Safetensors, RoundTripKeepsEverything) {
  Tensor f32(DType::kF32, {2, 3}), half(DType::kF16, {4}), brain(DType::kBF16, {2, 1, 2}), ids(DType::kI64, {3});
  const float values[] = {0.0f, -0.0f, 1.5f, -std::numeric_limits<float>::infinity(), 1e-42f, 3.4e38f};
  std::copy(std::begin(values), std::end(values), f32.f32());
  for (size_t i = 0; i < 4; ++i) half.values<f16>()[i].bits = static_cast<uint16_t>(0x3c00 + i);
  for (size_t i = 0; i < 4; ++i) brain.values<bf16>()[i] = ToBf16(static_cast<float>(i) - 1.5f);
  ids.values<int64_t>()[1] = std::numeric_limits<int64_t>::min();
  Tensor scalar(DType::kF32, {});
  scalar.f32()[0] = 7;
  const std::vector<std::pair<std::string, Tensor>> tensors = {
      {"w", f32},     {"ids", ids}, {"scalar", scalar}, {"none", Tensor(DType::kF32, {0, 5})},
      {"half", half}, {"b", brain}};
  const fs::path path = TestFile("round_trip.safetensors");
  WriteSafetensors(path, tensors, {{"format", "pt"}, {"quote\"d", "ü\n"}});

  Metadata metadata;
  const TensorMap read = ReadSafetensors(path, &metadata);
  EXPECT_EQ(metadata, (Metadata{{"format", "pt"}, {"quote\"d", "ü\n"}}));
  ASSERT_EQ(read.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const Tensor& r = read.at(name);
    EXPECT_EQ(r.dtype(), tensor.dtype()) << name;
    EXPECT_EQ(r.shape(), tensor.shape()) << name;
    EXPECT_EQ(std::memcmp(r.raw(), tensor.raw(), tensor.bytes()), 0) << name;
    EXPECT_FALSE(r.writable());
    EXPECT_FALSE(r.empty()) << name;
  }
}

TEST(Safetensors, HeaderIsPaddedAndInOrder) {
  const fs::path path = TestFile("layout.safetensors");
  WriteSafetensors(path, {{"z", Tensor(DType::kF32, {1})}, {"a", Tensor(DType::kBF16, {1})}});
  const std::string content = ReadFile(path);
  uint64_t n;
  std::memcpy(&n, content.data(), sizeof n);
  EXPECT_EQ(n % 8, 0u);
  EXPECT_EQ(content.size(), 8 + n + 6);
  const Json header = ParseJson(content.substr(8, n), "header");
  EXPECT_EQ(header["z"]["data_offsets"], Json({0, 4}));
  EXPECT_EQ(header["a"]["data_offsets"], Json({4, 6}));
  EXPECT_EQ(header["a"]["dtype"], "BF16");
}

TEST(Safetensors, TensorsOutliveTheMapAndViewIt) {
  const fs::path path = TestFile("view.safetensors");
  Tensor big(DType::kF32, {1000});
  big.f32()[999] = 42;
  WriteSafetensors(path, {{"big", big}});
  const Tensor kept = ReadSafetensors(path).at("big");
  fs::remove(path);
  EXPECT_EQ(kept.f32()[999], 42);
}

TEST(Safetensors, UnalignedDataIsCopied) {
  // One bf16 element pushes the float after it to an offset of 2.
  const std::string header =
      R"({"b":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]},"f":{"dtype":"F32","shape":[2],"data_offsets":[2,10]}})";
  const fs::path path = TestFile("unaligned.safetensors");
  Put(path, File(header, 10));
  const TensorMap read = ReadSafetensors(path);
  const float* f = read.at("f").f32();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(f) % alignof(float), 0u);
  const unsigned char expected[] = {2, 3, 4, 5, 6, 7, 8, 9};
  EXPECT_EQ(std::memcmp(f, expected, 8), 0);
}

TEST(Safetensors, HeaderMayBeUnorderedAndUnpadded) {
  const std::string header =
      R"({"late":{"data_offsets":[4,8],"dtype":"F32","shape":[1]},"early":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})";
  const fs::path path = TestFile("unordered.safetensors");
  Put(path, File(header, 8));
  EXPECT_EQ(ReadSafetensors(path).size(), 2u);
}

TEST(Safetensors, AbandonedWriteLeavesNothing) {
  const fs::path path = TestFile("abandoned.safetensors");
  fs::remove(path);
  {
    SafetensorsWriter writer(path, {{"a", DType::kF32, {2}}}, {});
    const float values[2] = {1, 2};
    writer.Write(values, sizeof values);
  }
  EXPECT_FALSE(fs::exists(path));
}

struct BadFile {
  const char* name;
  std::string content;
  std::vector<std::string> expected;  // words of the message
};

std::vector<BadFile> BadFiles() {
  const std::string good = R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  const auto one = [](const std::string& entry, size_t bytes) { return File("{\"w\":" + entry + "}", bytes); };
  std::string huge_header = File(good, 8);
  huge_header[6] = 1;  // claims 2^48 bytes
  return {
      {"Empty", "", {"0 bytes", "at least 8"}},
      {"SevenBytes", "1234567", {"7 bytes"}},
      {"OnlyLength", File("", 0), {"must begin with '{'"}},
      {"HeaderBeyondFile", huge_header, {"length is given as", "only"}},
      {"HeaderTruncated", File(good, 8).substr(0, 30), {"length is given as", "only 22 follow"}},
      {"DataTruncated", File(good, 7), {"tensor \"w\"", "ends at byte 8", "only 7", "truncated"}},
      {"TrailingData", File(good, 9), {"1 bytes of data belong to no tensor"}},
      {"NotJson", File("{\"w\":", 0), {"not valid JSON"}},
      {"NotAnObject", File("[]", 0), {"must begin with '{'"}},
      {"JunkAfterJson", File(good + "x", 8), {"not valid JSON"}},
      {"DuplicateName",
       File(
           R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
           8),
       {"\"w\"", "twice"}},
      {"EntryNotObject", one("3", 0), {"tensor \"w\"", "dtype, shape and data_offsets", "found 3"}},
      {"NoDType", one(R"({"shape":[2],"data_offsets":[0,8]})", 8), {"tensor \"w\"", "dtype"}},
      {"UnknownDType", one(R"({"dtype":"F64","shape":[1],"data_offsets":[0,8]})", 8), {"\"w\"", "\"F64\"", "BF16"}},
      {"NoShape", one(R"({"dtype":"F32","data_offsets":[0,8]})", 8), {"tensor \"w\"", "\"shape\" is missing"}},
      {"NegativeShape",
       one(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})", 8),
       {"\"w\"", "non-negative", "[-2]"}},
      {"FractionalShape", one(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})", 8), {"\"w\"", "[2.0]"}},
      {"ShapeOverflow",
       one(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]})", 0),
       {"\"w\"", "overflows"}},
      {"ShapeOverflowBehindZero",
       one(R"({"dtype":"F32","shape":[0,9223372036854775808],"data_offsets":[0,0]})", 0),
       {"\"w\"", "overflows"}},
      {"SizeOverflow", one(R"({"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]})", 0), {"overflows"}},
      {"NoOffsets", one(R"({"dtype":"F32","shape":[2]})", 8), {"\"data_offsets\" is missing"}},
      {"ThreeOffsets", one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8,8]})", 8), {"[begin, end]"}},
      {"OffsetsBackwards", one(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})", 8), {"begin <= end"}},
      {"SpanTooLong", one(R"({"dtype":"F32","shape":[1],"data_offsets":[0,8]})", 8), {"takes 4 bytes", "span 8"}},
      {"SpanTooShort", one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})", 8), {"takes 12 bytes", "span 8"}},
      {"Hole",
       File(
           R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
           12),
       {"hole", "\"b\"", "begins at byte 8", "expected 4"}},
      {"HoleAtStart", one(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})", 8), {"hole", "expected 0"}},
      {"Overlap",
       File(
           R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
           12),
       {"\"b\"", "overlaps \"a\"", "ends at 8"}},
      {"SameBytesTwice",
       File(
           R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
           4),
       {"overlaps"}},
      {"MetadataNotObject", File(R"({"__metadata__":"pt"})", 0), {"__metadata__", "object of strings"}},
      {"MetadataNotString", File(R"({"__metadata__":{"format":1}})", 0), {"\"format\"", "must be a string"}},
      {"DeepNesting", File("{\"w\":" + std::string(100000, '['), 0), {"nested deeper"}},
  };
}

class BadSafetensors : public testing::TestWithParam<BadFile> {};
TEST_P(BadSafetensors, ErrorSaysWhat) {
  const std::string message = ErrorOf(GetParam().content);
  for (const std::string& words : GetParam().expected) EXPECT_THAT(message, HasSubstr(words));
}
INSTANTIATE_TEST_SUITE_P(All, BadSafetensors, testing::ValuesIn(BadFiles()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Safetensors, MissingFileAndFolder) {
  EXPECT_THROW(ReadSafetensors(TestFile("not_there.safetensors")), Error);
  EXPECT_THROW(ReadSafetensors(testing::TempDir()), Error);
}

// Every single-byte corruption of a small file is either read or refused; never anything else.
TEST(Safetensors, RandomCorruptionNeverCrashes) {
  const std::string good = File(
      R"({"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[3],"data_offsets":[8,14]}})",
      14);
  Rng rng(1);
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    auto file = std::make_shared<std::string>(good);
    for (int64_t flips = rng.Int(1, 3); flips > 0; --flips) {
      (*file)[rng.Below(file->size())] = static_cast<char>(rng.Below(256));
    }
    if (rng.Chance(0.2)) file->resize(rng.Below(file->size() + 1));
    try {
      for (const auto& [name, t] : ParseSafetensors(std::as_bytes(std::span(*file)), file, "corrupt")) {
        ASSERT_EQ(t.bytes(), static_cast<size_t>(t.size()) * DTypeSize(t.dtype()));
      }
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 10000);
}

// The reader must not need n * n steps for n tensors.
TEST(Safetensors, ManyTensors) {
  constexpr int kCount = 200000;
  std::string header = "{";
  for (int i = 0; i < kCount; ++i) {
    header += fmt::format("{}\"t{}\":{{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[{},{}]}}", i ? "," : "", i,
                          4 * i, 4 * i + 4);
  }
  const fs::path path = TestFile("many.safetensors");
  Put(path, File(header + "}", 4 * kCount));
  EXPECT_EQ(ReadSafetensors(path).size(), size_t{kCount});
  fs::remove(path);
}

}  // namespace
}  // namespace fulgur
