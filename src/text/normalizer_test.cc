#include "text/normalizer.h"

#include <gtest/gtest.h>

namespace fulgur {
namespace {

std::string Normal(const Json& json, std::string_view text) { return Normalizer(&json, "test").Apply(text); }

// The text, and which of its bytes are marked ('1').
std::string Marked(const Json& json, const std::string& text, std::string marks) {
  for (char& mark : marks) mark = static_cast<char>(mark - '0');
  MarkedText marked{text, marks};
  SplitPattern::Scratch scratch;
  Normalizer(&json, "test").Apply(&marked, &scratch);
  EXPECT_EQ(marked.text.size(), marked.marks.size());
  for (char& mark : marked.marks) mark = static_cast<char>(mark + '0');
  return marked.text + " " + marked.marks;
}

TEST(NormalizerTest, UnicodeForms) {
  // The examples of Unicode Standard Annex #15, table 5 and figures 3 to 6.
  const std::string s = "\u1e9b\u0323", fi = "\ufb01", two = "2\u2075";
  EXPECT_EQ(Normal({{"type", "NFC"}}, s), "\u1e9b\u0323");
  EXPECT_EQ(Normal({{"type", "NFD"}}, s), "\u017f\u0323\u0307");
  EXPECT_EQ(Normal({{"type", "NFKC"}}, s), "\u1e69");
  EXPECT_EQ(Normal({{"type", "NFKD"}}, s), "s\u0323\u0307");
  EXPECT_EQ(Normal({{"type", "NFC"}}, fi + two), fi + two);
  EXPECT_EQ(Normal({{"type", "NFKC"}}, fi + two), "fi25");
  EXPECT_EQ(Normal({{"type", "NFC"}}, "\u212b A\u030a q\u0307\u0323 \u1112\u1161\u11ab"),
            "\u00c5 \u00c5 q\u0323\u0307 \ud55c");
  EXPECT_EQ(Normal({{"type", "NFC"}}, "plain e\u0301\n"), "plain \u00e9\n");
  EXPECT_EQ(Normal({{"type", "NFC"}}, "e\u0301\xFF\u0301e\u0301"), "\u00e9\xFF\u0301\u00e9") << "bytes stay";
}

TEST(NormalizerTest, OtherSteps) {
  EXPECT_EQ(Normal({{"type", "Lowercase"}}, "\u0130 \u00c9 \u03a3 A"), "i\u0307 \u00e9 \u03c3 a");
  EXPECT_EQ(Normal({{"type", "StripAccents"}}, "e\u0301\u00e9\u0323x"), "e\u00e9x");
  EXPECT_EQ(Normal({{"type", "Strip"}, {"strip_left", true}, {"strip_right", false}}, "\u00a0 a "), "a ");
  EXPECT_EQ(Normal({{"type", "Strip"}}, " \n "), "");
  EXPECT_EQ(Normal({{"type", "Prepend"}, {"prepend", "_"}}, "a"), "_a");
  EXPECT_EQ(Normal({{"type", "Prepend"}, {"prepend", "_"}}, ""), "");
  EXPECT_EQ(Normal({{"type", "Replace"}, {"pattern", {{"String", "aa"}}}, {"content", "b"}}, "aaaca"), "baca");
  EXPECT_EQ(Normal({{"type", "Replace"}, {"pattern", {{"Regex", "\\s+"}}}, {"content", " "}}, "a\n\n b\xFF "),
            "a b\xFF ");
  EXPECT_EQ(Normal({{"type", "Sequence"}, {"normalizers", {{{"type", "NFD"}}, {{"type", "StripAccents"}}}}}, "\u00e9"),
            "e");
}

TEST(NormalizerTest, MarksGoAlong) {
  EXPECT_EQ(Marked({{"type", "NFC"}}, "ae\u0301b\u00e9", "0111100"), "a\u00e9b\u00e9 011100");
  EXPECT_EQ(Marked({{"type", "NFC"}}, "e\u0301", "100"), "\u00e9 00") << "all of what it comes from must be marked";
  EXPECT_EQ(Marked({{"type", "Prepend"}, {"prepend", "__"}}, "ab", "01"), "__ab 1101");
  EXPECT_EQ(Marked({{"type", "Replace"}, {"pattern", {{"String", "ab"}}}, {"content", "xyz"}}, "abab", "1101"),
            "xyzxyz 111000");
  EXPECT_EQ(Marked({{"type", "Strip"}}, " a ", "011"), "a 1");
}

}  // namespace
}  // namespace fulgur
