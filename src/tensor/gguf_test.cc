#include "tensor/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "base/error.h"
#include "base/rng.h"
#include "base/test_folder.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::span<const std::byte> BytesOf(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

template <typename T>
std::string Little(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}
std::string Text(const std::string& text) { return Little<uint64_t>(text.size()) + text; }
std::string Key(const std::string& name, uint32_t type, const std::string& value) {
  return Text(name) + Little(type) + value;
}
std::string TensorInfo(const std::string& name, const std::vector<uint64_t>& dimensions, uint32_t type,
                       uint64_t offset) {
  std::string info = Text(name) + Little(static_cast<uint32_t>(dimensions.size()));
  for (const uint64_t d : dimensions) info += Little(d);
  return info + Little(type) + Little(offset);
}
// A file of these keys, tensor infos and data.
std::string File(const std::vector<std::string>& keys, const std::vector<std::string>& infos, const std::string& data,
                 uint32_t version = 3) {
  std::string file = "GGUF" + Little(version) + Little<uint64_t>(infos.size()) + Little<uint64_t>(keys.size());
  for (const std::string& key : keys) file += key;
  for (const std::string& info : infos) file += info;
  file.resize((file.size() + 31) / 32 * 32);
  return file + data;
}

std::string ErrorOf(const std::string& file) {
  try {
    GgufFile(BytesOf(file), "x.gguf");
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Gguf, EveryKindOfValueAndTheShapeOfATensor) {
  std::string floats;
  for (int i = 0; i < 6; ++i) floats += Little(static_cast<float>(i));
  const std::string list = Little<uint32_t>(8) + Little<uint64_t>(2) + Text("a") + Text("b\n");
  const std::string lists = Little<uint32_t>(9) + Little<uint64_t>(1) + list;
  const std::string file =
      File({Key("u8", 0, Little<uint8_t>(200)), Key("i8", 1, Little<int8_t>(-3)),
            Key("u16", 2, Little<uint16_t>(65535)), Key("i16", 3, Little<int16_t>(-300)),
            Key("u32", 4, Little<uint32_t>(4000000000u)), Key("i32", 5, Little<int32_t>(-70000)),
            Key("f32", 6, Little(0.25f)), Key("yes", 7, Little<uint8_t>(1)), Key("text", 8, Text("MiniMax")),
            Key("list", 9, list), Key("lists", 9, lists), Key("u64", 10, Little<uint64_t>(uint64_t{1} << 40)),
            Key("i64", 11, Little<int64_t>(-(int64_t{1} << 40))), Key("f64", 12, Little(1e-300))},
           {TensorInfo("t", {3, 2}, 0, 0)}, floats);
  const GgufFile gguf(BytesOf(file), "x.gguf");
  const std::map<std::string, Json>& m = gguf.metadata();
  EXPECT_EQ(m.size(), 14u);
  EXPECT_EQ(m.at("u8"), 200);
  EXPECT_EQ(m.at("i8"), -3);
  EXPECT_EQ(m.at("u16"), 65535);
  EXPECT_EQ(m.at("i16"), -300);
  EXPECT_EQ(m.at("u32"), 4000000000u);
  EXPECT_EQ(m.at("i32"), -70000);
  EXPECT_EQ(m.at("f32"), 0.25);
  EXPECT_EQ(m.at("yes"), true);
  EXPECT_EQ(m.at("text"), "MiniMax");
  EXPECT_EQ(m.at("list"), Json({"a", "b\n"}));
  EXPECT_EQ(m.at("lists"), Json::array({Json({"a", "b\n"})}));
  EXPECT_EQ(m.at("u64"), int64_t{1} << 40);
  EXPECT_EQ(m.at("i64"), -(int64_t{1} << 40));
  EXPECT_EQ(m.at("f64"), 1e-300);
  const GgufTensor& t = gguf.tensors().at("t");
  EXPECT_EQ(t.shape, (Shape{2, 3}));
  EXPECT_EQ(std::memcmp(t.blocks.data(), floats.data(), floats.size()), 0);
}

TEST(Gguf, WhatIsWrittenIsRead) {
  const TestFolder folder;
  Rng rng(3);
  std::vector<float> a(64 * 5), b(7);
  for (float& v : a) v = static_cast<float>(rng.Normal());
  for (float& v : b) v = static_cast<float>(rng.Normal());
  std::vector<std::byte> q(a.size() / 32 * 34);
  EncodeGgufBlocks(GgufType::kQ8_0, a, q);
  const std::vector<std::pair<std::string, Json>> metadata = {{"general.architecture", "minimax-01"},
                                                              {"a.count", 32},
                                                              {"a.big", int64_t{1} << 40},
                                                              {"a.less", -1},
                                                              {"a.eps", 1e-5f},
                                                              {"a.on", true},
                                                              {"a.words", {"x", "", "y"}},
                                                              {"a.kinds", {1, 1, 3}},
                                                              {"a.scores", {0.5, -1.5}},
                                                              {"a.flags", {true, false}}};
  {
    GgufWriter writer(folder / "w.gguf", metadata,
                      {{"b", GgufType::kF32, {7}}, {"a", GgufType::kQ8_0, {5, 64}}, {"c", GgufType::kF32, {7}}});
    writer.Write(BytesOf(std::string(reinterpret_cast<const char*>(b.data()), 28)));
    writer.Write(std::span(q).first(100));
    writer.Write(std::span(q).subspan(100));
    writer.Write(BytesOf(std::string(28, '\1')));
    EXPECT_FALSE(fs::exists(folder / "w.gguf"));
    writer.Commit();
  }
  const GgufFile gguf(folder / "w.gguf");
  ASSERT_EQ(gguf.metadata().size(), metadata.size());
  for (const auto& [key, value] : metadata) EXPECT_EQ(gguf.metadata().at(key), value) << key;
  EXPECT_EQ(gguf.tensors().at("a").shape, (Shape{5, 64}));
  EXPECT_EQ(gguf.tensors().at("a").type, GgufType::kQ8_0);
  EXPECT_EQ(std::memcmp(gguf.tensors().at("a").blocks.data(), q.data(), q.size()), 0);
  EXPECT_EQ(std::memcmp(gguf.tensors().at("b").blocks.data(), b.data(), 28), 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(gguf.tensors().at("a").blocks.data()) % 32, 0u);
}

TEST(Gguf, ASplitModelIsOne) {
  const TestFolder folder;
  const std::string a =
      File({Key("k", 8, Text("first")), Key("split.no", 2, Little<uint16_t>(0)),
            Key("split.count", 2, Little<uint16_t>(2)), Key("split.tensors.count", 5, Little<int32_t>(2))},
           {TensorInfo("one", {1}, 0, 0)}, Little(1.0f));
  const std::string b = File({Key("split.no", 2, Little<uint16_t>(1)), Key("split.count", 2, Little<uint16_t>(2))},
                             {TensorInfo("two", {1}, 0, 0)}, Little(2.0f));
  WriteFileAtomic(folder / "m-00001-of-00002.gguf", a);
  WriteFileAtomic(folder / "m-00002-of-00002.gguf", b);
  const GgufFile gguf(folder / "m-00001-of-00002.gguf");
  EXPECT_EQ(gguf.metadata().at("k"), "first");
  EXPECT_EQ(gguf.tensors().size(), 2u);
  float two = 0;
  DecodeGgufBlocks(GgufType::kF32, gguf.tensors().at("two").blocks, {&two, 1});
  EXPECT_EQ(two, 2.0f);
  const auto error = [&](const char* name) -> std::string {
    try {
      GgufFile(folder / name);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_THAT(error("m-00002-of-00002.gguf"), HasSubstr("is part 2 of 2; name the first, m-00001-of-00002.gguf"));
  WriteFileAtomic(folder / "m-00002-of-00002.gguf", a);
  EXPECT_THAT(error("m-00001-of-00002.gguf"), HasSubstr("split.no is 0, but its name says 1"));
  fs::remove(folder / "m-00002-of-00002.gguf");
  EXPECT_THAT(error("m-00001-of-00002.gguf"), HasSubstr("m-00002-of-00002.gguf"));
}

TEST(Gguf, WhatIsWrongIsNamedWithTensorAndOffset) {
  const std::string data(64, '\0');
  EXPECT_THAT(ErrorOf(""), HasSubstr("x.gguf is no GGUF file"));
  EXPECT_THAT(ErrorOf("GGML" + data), HasSubstr("does not begin with \"GGUF\""));
  EXPECT_THAT(ErrorOf(File({}, {}, "", 1)), HasSubstr("GGUF version 1"));
  EXPECT_THAT(ErrorOf(File({}, {}, "", uint32_t{3} << 24)), HasSubstr("big-endian"));
  EXPECT_THAT(ErrorOf("GGUF" + Little<uint32_t>(3) + Little<uint64_t>(1) + Little(~uint64_t{0})),
              HasSubstr("the number of keys at offset 16 is 18446744073709551615"));
  EXPECT_THAT(ErrorOf(File({Key("k", 8, Little<uint64_t>(1) + "ab")}, {}, "").substr(0, 44)), HasSubstr("k"));
  EXPECT_THAT(ErrorOf(File({Key("k", 8, Little(~uint64_t{0}))}, {}, "")), HasSubstr("k at offset 45 needs"));
  EXPECT_THAT(ErrorOf(File({Key("k", 13, "")}, {}, "")), HasSubstr("the type 13"));
  EXPECT_THAT(ErrorOf(File({Key("k", 9, Little<uint32_t>(99) + Little<uint64_t>(1))}, {}, "")),
              HasSubstr("k before offset 41 is a list of type 99"));
  EXPECT_THAT(ErrorOf(File({Key("k", 9, Little<uint32_t>(4) + Little<uint64_t>(1000000))}, {}, "")),
              HasSubstr("k's length at offset 41 is 1000000"));
  std::string deep = Little<uint32_t>(0) + Little<uint64_t>(0);
  for (int i = 0; i < 20; ++i) deep = Little<uint32_t>(9) + Little<uint64_t>(1) + deep;
  EXPECT_THAT(ErrorOf(File({Key("k", 9, deep)}, {}, "")), HasSubstr("lists within lists"));
  EXPECT_THAT(ErrorOf(File({Key("k", 7, "\1"), Key("k", 7, "\1")}, {}, "")), HasSubstr("the key k is there twice"));
  EXPECT_THAT(ErrorOf(File({Key("general.alignment", 4, Little<uint32_t>(24))}, {}, "")),
              HasSubstr("general.alignment is 24"));

  EXPECT_THAT(ErrorOf(File({}, {TensorInfo("t", {}, 0, 0)}, data)), HasSubstr("tensor t has 0 dimensions"));
  EXPECT_THAT(ErrorOf(File({}, {TensorInfo("t", {1, 1, 1, 1, 1}, 0, 0)}, data)), HasSubstr("5 dimensions"));
  EXPECT_THAT(ErrorOf(File({}, {TensorInfo("t", {4, 0}, 0, 0)}, data)), HasSubstr("tensor t: dimension 1 is 0"));
  EXPECT_THAT(ErrorOf(File({}, {TensorInfo("t", {uint64_t{1} << 40, uint64_t{1} << 40}, 0, 0)}, data)),
              HasSubstr("tensor t: dimension 1 is"));
  EXPECT_THAT(ErrorOf(File({}, {TensorInfo("t", {4}, 77, 0)}, data)), HasSubstr("tensor t has the type number 77"));
  EXPECT_THAT(ErrorOf(File({}, {TensorInfo("t", {40}, 8, 0)}, data)), HasSubstr("not whole blocks of 32 (Q8_0)"));
  EXPECT_THAT(ErrorOf(File({}, {TensorInfo("t", {4}, 0, 4)}, data)),
              HasSubstr("tensor t begins at offset 4, which is not a multiple of 32"));
  EXPECT_THAT(ErrorOf(File({}, {TensorInfo("t", {64}, 0, 32)}, data)),
              HasSubstr("tensor t at offset 32 of the data needs 256 bytes, but the data has 64"));
  EXPECT_THAT(ErrorOf(File({}, {TensorInfo("t", {4}, 0, ~uint64_t{31})}, data)), HasSubstr("is cut off"));
  EXPECT_THAT(ErrorOf(File({}, {TensorInfo("a", {16}, 0, 0), TensorInfo("b", {4}, 0, 32)}, data)),
              HasSubstr("tensor b at offset 32 overlaps"));
  EXPECT_THAT(ErrorOf(File({}, {TensorInfo("a", {4}, 0, 0), TensorInfo("a", {4}, 0, 32)}, data)),
              HasSubstr("tensor a is there twice"));
}

// Whatever is cut off or changed: an Error or values, never anything else (run with sanitizers).
TEST(Gguf, DamagedFilesAreErrorsOrFiles) {
  std::string floats(256, '\1');
  const std::string good = File({Key("general.architecture", 8, Text("minimax-01")),
                                 Key("list", 9, Little<uint32_t>(8) + Little<uint64_t>(2) + Text("a") + Text("bc"))},
                                {TensorInfo("a", {16, 2}, 0, 0), TensorInfo("q", {32}, 8, 128)}, floats);
  ASSERT_EQ(ErrorOf(good), "no error");
  for (size_t n = 0; n + 200 < good.size(); ++n) EXPECT_NE(ErrorOf(good.substr(0, n)), "no error") << n;
  Rng rng(5);
  int errors = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string bad = good;
    for (int k = 0; k < 1 + i % 3; ++k)
      bad[static_cast<size_t>(rng.Below(bad.size()))] = static_cast<char>(rng.Below(256));
    errors += ErrorOf(bad) != "no error" ? 1 : 0;
  }
  EXPECT_GT(errors, 5000);
}

}  // namespace
}  // namespace fulgur
