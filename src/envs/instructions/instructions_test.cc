#include "envs/instructions/instructions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "base/records.h"
#include "base/reference_data.h"
#include "envs/instructions/language.h"

namespace fulgur {
namespace {

using testing::ElementsAre;

TEST(Instructions, AllKindsOfBothSets) { EXPECT_EQ(InstructionIds().size(), 25u + 58u); }

TEST(Instructions, StrictAndLoose) {
  const Instruction bullets{"detectable_format:number_bullet_lists", {{"num_bullets", 2}}};
  EXPECT_TRUE(FollowsStrict(bullets, "To do:\n- rest\n- eat"));
  EXPECT_FALSE(FollowsStrict(bullets, "- sure!\n- rest\n- eat"));
  EXPECT_TRUE(FollowsLoose(bullets, "- sure!\n- rest\n- eat")) << "without its first line";
  const Instruction commas{"punctuation:no_comma", Json::object()};
  EXPECT_FALSE(FollowsStrict(commas, " \n")) << "an empty answer follows nothing";
}

TEST(Instructions, ErrorsNameTheInstruction) {
  EXPECT_THROW(FollowsStrict({"keywords:rhyme", {}}, "x"), Error);
  try {
    FollowsStrict({"length_constraints:number_words", {{"relation", "about"}, {"num_words", 3}}}, "x");
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("length_constraints:number_words"));
  }
}

struct Case {
  const char* id;
  Json kwargs;
  const char* yes;
  const char* no;
};

TEST(Instructions, Kinds) {
  const std::vector<Case> cases = {
      {"keywords:letter_frequency",
       {{"letter", "Q"}, {"let_relation", "less than"}, {"let_frequency", 2}},
       "quite",
       "Qq"},
      {"length_constraints:nth_paragraph_first_word",
       {{"num_paragraphs", 2}, {"nth_paragraph", 2}, {"first_word", "so"}},
       "one\n\n\"So, two",
       "one\n\nSoon two"},
      {"detectable_format:multiple_sections",
       {{"section_spliter", "PART"}, {"num_sections", 2}},
       "PART 1 a PART 2 b",
       "PART a"},
      {"detectable_content:postscript", {{"postscript_marker", "P.S."}}, "Bye.\np. s. me", "Bye."},
      {"change_case:capital_word_frequency",
       {{"capital_relation", "at least"}, {"capital_frequency", 2}},
       "NASA's and ESA's",
       "Nasa and ESA"},
      {"count:word_count_range", {{"min_words", 2}, {"max_words", 3}}, "a well-known", "a well-known one, too"},
      {"count:conjunctions", {{"small_n", 2}}, "this and that or none", "this and that, and none, and"},
      {"count:numbers", {{"N", 2}}, "1,000 and 2.5", "1, 2 and 3"},
      {"count:punctuation", Json::object(), "So: what?! No; yes, fine. Is it? Go!", "So: what?! No; yes, fine."},
      {"words:alphabet", Json::object(), "Yes, zebras are big.", "Yes, apples."},
      {"words:prime_lengths", Json::object(), "we are seven not", "four"},
      {"words:repeats", {{"small_n", 1}}, "one of each", "one to one"},
      {"words:paragraph_last_first", Json::object(), "so it is so.\n\nAha!", "so it goes"},
      {"sentence:increment", {{"small_n", 1}}, "One. Two words. Now three words.", "One. Two words. Two words."},
      {"sentence:keyword", {{"N", 2}, {"word", "fox"}}, "A dog. A Fox!", "A fox. A dog, foxes."},
      {"format:parentheses", Json::object(), "([{([x])}])", "((((x))))"},
      {"format:options", {{"options", "yes/no/maybe"}}, "Maybe.", "Maybe not"},
      {"format:line_indent", Json::object(), "a\n b\n  c", "a\nb"},
      {"format:emoji", Json::object(), "Good morning. \xF0\x9F\x98\x80", "Good morning."},
      {"format:title_case", Json::object(), "A Walk In SPACE", "A walk"},
      {"format:no_whitespace", Json::object(), "one,two", "one, two"},
      {"repeat:repeat_change", {{"prompt_to_repeat", "Tell me a joke"}}, "Sing me a joke", "Tell me a joke"},
      {"repeat:repeat_span", {{"prompt_to_repeat", "grüne Wiese"}, {"n_start", 2}, {"n_end", 4}}, "üne", "rün"},
      {"custom:csv_city", Json::object(),
       "ID,Country,City,Year,Count\n1,a,\"b, c\",2,3\n1,a,b,2,3\n1,a,b,2,3\n1,a,b,2,3\n1,a,b,2,3\n1,a,b,2,3\n1,a,b,2,3",
       "ID,Country,City,Year,Count\n1,a,b, c,2,3"},
      {"custom:date_format_list", Json::object(), "1796-04-12, 1805-12-02", "1805-13-02"},
  };
  for (const Case& c : cases) {
    EXPECT_TRUE(FollowsStrict({c.id, c.kwargs}, c.yes)) << c.id << ": " << c.yes;
    EXPECT_FALSE(FollowsStrict({c.id, c.kwargs}, c.no)) << c.id << ": " << c.no;
  }
}

TEST(Instructions, SentencesEndWhereTheyShould) {
  EXPECT_THAT(instructions::Sentences("Dr. May came at 5 p.m. from the U.S. today. Did she? \"Yes.\" He left."),
              ElementsAre("Dr. May came at 5 p.m. from the U.S. today.", "Did she?", "\"Yes.\"", "He left."));
}

TEST(Instructions, WordsAsTheTreebankCutsThem) {
  EXPECT_THAT(instructions::WordTokens("They don't, it's \"fine\" (really)."),
              ElementsAre("They", "do", "n't", ",", "it", "'s", "``", "fine", "''", "(", "really", ")", "."));
}

TEST(Instructions, Languages) {
  EXPECT_EQ(instructions::DetectLanguage("Das ist ein Satz, und er ist nicht lang."), "de");
  EXPECT_EQ(instructions::DetectLanguage("Это предложение, и оно не длинное."), "ru");
  EXPECT_EQ(instructions::DetectLanguage("यह एक वाक्य है और यह लंबा नहीं है"), "hi");
  EXPECT_EQ(instructions::DetectLanguage("12345"), "");
}

// Real answers with the official code's verdicts; the kinds that differ are printed.
struct Agreement {
  int64_t prompts = 0, same = 0;
  std::map<std::string, int64_t> differ;  // kind to instructions
};

Agreement Compare(const std::filesystem::path& root, const std::string& prompts_file, const std::string& verdicts_file,
                  const char* form) {
  const Records prompts(root / prompts_file, "prompt"), verdicts(root / verdicts_file, "response");
  std::map<std::string, Json> by_key;
  for (size_t i = 0; i < prompts.size(); ++i) by_key[prompts.Get(i)["key"].dump()] = prompts.Get(i);
  Agreement agreement;
  for (size_t i = 0; i < verdicts.size(); ++i) {
    const Json verdict = verdicts.Get(i);
    const Json& prompt = by_key.at(verdict["key"].dump());
    const Json& official = verdict[form];
    ++agreement.prompts;
    bool same = true;
    for (size_t k = 0; k < official.size(); ++k) {
      const Instruction instruction{prompt["instruction_id_list"][k].get<std::string>(), prompt["kwargs"][k]};
      const std::string response = verdict["response"].get<std::string>();
      const bool follows =
          form == std::string("loose") ? FollowsLoose(instruction, response) : FollowsStrict(instruction, response);
      if (follows == official[k].get<bool>()) continue;
      same = false;
      ++agreement.differ[instruction.id];
    }
    agreement.same += same;
  }
  return agreement;
}

void ExpectAgreement(const std::filesystem::path& root, const std::string& prompts, const std::string& verdicts,
                     double least) {
  for (const char* form : {"strict", "loose"}) {
    const Agreement agreement = Compare(root, prompts, verdicts, form);
    for (const auto& [kind, count] : agreement.differ)
      std::printf("%s: %s differs in %d\n", form, kind.c_str(), static_cast<int>(count));
    EXPECT_GE(static_cast<double>(agreement.same), least * static_cast<double>(agreement.prompts)) << form;
  }
}

TEST(Instructions, AgreeWithTheOfficialVerdictsOfIfEval) {
  FULGUR_REFERENCE_OR_SKIP(root, "eval/data/ifeval");
  ExpectAgreement(root, "input_data.jsonl", "gpt4-responses-verdicts.jsonl", 0.99);
}

TEST(Instructions, AgreeWithTheOfficialVerdictsOfIfBench) {
  FULGUR_REFERENCE_OR_SKIP(root, "eval/data/ifbench");
  ExpectAgreement(root, "IFBench_test.jsonl", "sample-responses-verdicts.jsonl", 0.97);
}

}  // namespace
}  // namespace fulgur
