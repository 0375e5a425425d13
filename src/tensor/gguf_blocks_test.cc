#include "tensor/gguf_blocks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/crc32c.h"
#include "base/reference_data.h"
#include "base/rng.h"
#include "tensor/safetensors.h"

namespace fulgur {
namespace {

// A block (of F16 and BF16: sixteen) as ggml's own quantizer made it, and what ggml's decoder makes of it.
struct Block {
  GgufType type;
  const char* hex;
  uint32_t crc;     // CRC-32C of all values
  float values[3];  // the first two and the last
};
const Block kBlocks[] = {
    {GgufType::kF16,
     "6cb841a056249420d5a9b7a0f2ac349c2d2c2c99f229652aa01852aafc20e122",
     0x08d8a6a4,
     {-0.552734375f, -0.00830841064453125f, 0.01343536376953125f}},
    {GgufType::kBF16,
     "0dbf08bc8b3c123c3bbd17bc9ebd87bb863d26bb3e3d4d3d143b4abd1f3c5c3c",
     0x9a5d3a16,
     {-0.55078125f, -0.00830078125f, 0.013427734375f}},
    {GgufType::kQ4_0, "6c2c80988878979897788988899978877888", 0x2bb9bb83, {-0.552734375f, 0.0f, 0.0f}},
    {GgufType::kQ4_1,
     "56296cb8e0fdeecdfcfdfbcddfdddefecddccdde",
     0x1eab877f,
     {-0.552734375f, -0.01080322265625f, -0.01080322265625f}},
    {GgufType::kQ5_0,
     "6c28aedf770b002010f02f202ef00200f121e0fff0f0",
     0x2c90e27f,
     {-0.552734375f, 0.0f, -0.0345458984375f}},
    {GgufType::kQ5_1,
     "2a256cb8feffffffc0ebdcacf9ebe8abcfcbbeee9ca99cac",
     0xbf0b7b45,
     {-0.552734375f, -0.008087158203125f, -0.02825927734375f}},
    {GgufType::kQ8_0,
     "751c81fe0402f6feeeff0fff0b0b01f50203030c06f8110d0cf80201fc0ef4faf4f9",
     0xbf3d4825,
     {-0.5527763366699219f, -0.00870513916015625f, -0.030467987060546875f}},
    {GgufType::kQ2_K,
     "fe12253400000000242314343f132434080b070f07070a03070b07070707070f0a0b0a000b070b0c0605"
     "090708080808115270465597459d415355454bd40185dc6a4bcab7c2dca5ffa9eb99dfd985285823b728",
     0xd6ccfae0,
     {-0.552520751953125f, 0.049896240234375f, -0.110504150390625f}},
    {GgufType::kQ3_K,
     "70a13361b3c3d0d373a111f343d373d172a2e2610040709320b123f06373d3b30c0c040404000b080008"
     "0c0004000000030503020c050d0a0b0c010c030207020936c682308c0d41d839fc00c8cf458dcfa76253"
     "c8634b3a0a52a24149812ae36054799af050b060e8aa6a996b9c",
     0xf9737efa,
     {-0.55224609375f, 0.0f, -0.07765960693359375f}},
    {GgufType::kQ4_K,
     "e8117f203c57c0403f0c00008fd5bfb3909d5ded5c6dbb2d6ead8e7e4d7c7dfd6d8e6d0c5e2e5eac3d5d"
     "6c4e6c6c8c6c0000000000000000000000000000000000000000000000000000000000000000546b618a"
     "779f94f4574ea586cfa063b5e0988b884e09b133ba828a85cd75428013746e52649372835064547152d3"
     "21a1a23351d194c1c263f463a362d2b27103",
     0xfb7c1656,
     {-0.5532302856445312f, 0.00913238525390625f, -0.09659576416015625f}},
    {GgufType::kQ5_K,
     "650d7e207d59c0403f0c000081d6cfb40213413301b123a10113232131a101a3a12331b19191a103b121"
     "b121b1a10121301baccc99db785bcf4b0efe9ce9fcfccc1ecd0aaf4eae5a6cacdb8fc9caf9ca00000000"
     "0000000000000000000000000000000000000000000000000000000098d5d114fe3e38f89d8b4a1c9f41"
     "c66ad02f05008c02627573051309880a740127fabfa5d946e418a0d8b8f3a4a652534567a3c4399395d6"
     "f9c857c5b585e308",
     0x92d0d7c5,
     {-0.5527496337890625f, -0.010464906692504883f, -0.0965118408203125f}},
    {GgufType::kQ6_K,
     "000001010d0f0c0004000303000d01010a0905000008090f0c0e0805080c060e0a080c0a0a0001020e0c"
     "06030902040f0f0a0d010a0a09030f080f050e0f060de8a20414bef218d86fc8c42111e53b25e7c64067"
     "ee2b0ca1dd30fd19f80bfe28141b8b33dfc5e66e54c2681352c989fcb914718181414cdefdc1d2b16010"
     "e040080a060e05090d06060a0a0a06090a0e050805030400040e0105060407060b061695476955986a9e"
     "65545aaa6cdb26aa9c6a5bdab7d2e861fa79aa69dfe944388011dce70000000018ebe4e47deaece66c88",
     0x44afc6b6,
     {-0.552734375f, 0.0f, -0.09823989868164062f}},
    {GgufType::kIQ4_NL,
     "751c80988878979896788988899978777878",
     0xdd32cda0,
     {-0.5527763366699219f, 0.004352569580078125f, -0.04352569580078125f}},
    {GgufType::kIQ4_XS,
     "7588a8ba9000866f80988878979896788988899978777878856599e19ad8934cc9a486b78a8767908888"
     "888888888888888888888888888888888888888888888888888888888888ea644d641750dbcb47c149a8"
     "209edbea2b798977c8f646d14b8c76874385ca8587769088669888776a767789888799794fd8ba1b5925"
     "28960b994aa81b219ef4",
     0x480db5bf,
     {-0.5527763366699219f, 0.004352569580078125f, -0.09222006797790527f}},
};

std::vector<std::byte> FromHex(const std::string& hex) {
  std::vector<std::byte> bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

TEST(GgufBlocks, MeanWhatGgmlMakesOfThem) {
  for (const Block& block : kBlocks) {
    SCOPED_TRACE(GgufTypeName(block.type));
    const std::vector<std::byte> bytes = FromHex(block.hex);
    ASSERT_EQ(bytes.size() % GgufBlockBytes(block.type), 0u);
    std::vector<float> values(bytes.size() / GgufBlockBytes(block.type) *
                              static_cast<size_t>(GgufBlockValues(block.type)));
    DecodeGgufBlocks(block.type, bytes, values);
    EXPECT_EQ(values[0], block.values[0]);
    EXPECT_EQ(values[1], block.values[1]);
    EXPECT_EQ(values.back(), block.values[2]);
    EXPECT_EQ(Crc32c(values.data(), values.size() * sizeof(float)), block.crc);
  }
}

TEST(GgufBlocks, AllReferenceRows) {
  FULGUR_REFERENCE_OR_SKIP(folder, "gguf");
  for (const std::string& name : GgufTypeNames()) {
    SCOPED_TRACE(name);
    if (name == "F32") continue;
    const TensorMap tensors = ReadSafetensors(folder / (name + ".safetensors"));
    const Tensor &blocks = tensors.at("blocks"), &expected = tensors.at("values");
    std::vector<float> values(static_cast<size_t>(expected.size()));
    DecodeGgufBlocks(GgufTypeFromName(name).value(), {blocks.raw(), blocks.bytes()}, values);
    EXPECT_EQ(std::memcmp(values.data(), expected.raw(), expected.bytes()), 0);
  }
}

TEST(GgufBlocks, FloatsSurviveAndEightBitsAreTheNearest) {
  Rng rng(1);
  std::vector<float> x(512);
  for (float& v : x) v = static_cast<float>(rng.Normal()) * 0.02f;
  for (const GgufType type : {GgufType::kF32, GgufType::kF16, GgufType::kQ8_0}) {
    SCOPED_TRACE(GgufTypeName(type));
    const size_t blocks = x.size() / static_cast<size_t>(GgufBlockValues(type));
    std::vector<std::byte> bytes(blocks * GgufBlockBytes(type));
    EncodeGgufBlocks(type, x, bytes);
    std::vector<float> back(x.size());
    DecodeGgufBlocks(type, bytes, back);
    for (size_t i = 0; i < x.size(); ++i) {
      float largest = 0;
      for (size_t j = i / 32 * 32; j < i / 32 * 32 + 32; ++j) largest = std::max(largest, std::fabs(x[j]));
      const float step = type == GgufType::kF32   ? 0.0f
                         : type == GgufType::kF16 ? std::fabs(x[i]) * 0x1p-11f + 0x1p-25f
                                                  : largest / 127.0f * 0.501f + largest * 0x1p-11f;
      EXPECT_LE(std::fabs(back[i] - x[i]), step) << i;
    }
  }
}

TEST(GgufBlocks, HalfPrecisionAtItsEnds) {
  const float cases[][2] = {{0.0f, 0.0f},
                            {65504.0f, 65504.0f},
                            {65519.0f, 65504.0f},
                            {65520.0f, INFINITY},
                            {0x1p-24f, 0x1p-24f},
                            {0x1p-25f, 0.0f},          // half of the least: to even
                            {0x1.8p-24f, 0x1p-23f},    // and up
                            {0x1.ffep-15f, 0x1p-14f},  // a subnormal that rounds to the least normal number
                            {1.00048828125f, 1.0f},    // ties to even
                            {1.00146484375f, 1.001953125f}};
  for (const auto& [x, expected] : cases) {
    for (const float sign : {1.0f, -1.0f}) {
      const float value = sign * x;
      std::byte bytes[2];
      float back = 0;
      EncodeGgufBlocks(GgufType::kF16, {&value, 1}, bytes);
      DecodeGgufBlocks(GgufType::kF16, bytes, {&back, 1});
      EXPECT_EQ(back, sign * expected) << value;
    }
  }
}

}  // namespace
}  // namespace fulgur
