// Sorting words alphabetically: every word is written with its first letters before it, then the least is taken again
// and again.
//
// Difficulty: number of words: 1: 3, 2: 4, 3: 5, 4: 6, 5: 8, 6: 12, 7: 20. Up to 2, the words begin with different
// letters; up to 4, the first two letters tell them apart.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/task.h"
#include "envs/words.h"

namespace fulgur {
namespace {

constexpr std::array<int, 8> kWords = {0, 3, 4, 5, 6, 8, 12, 20};

std::string Join(const std::vector<std::string>& words, const char* separator) {
  return fmt::format("{}", fmt::join(words, separator));
}

// Every word with its first letters before it, apart: "p e pear, a p apple".
std::string Keyed(const std::vector<std::string>& words, size_t letters) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += ", ";
    for (const char c : word.substr(0, letters)) text += std::string(1, c) + " ";
    text += word;
  }
  return text;
}

class WordSorting : public Task {
 public:
  const char* name() const override { return "word_sorting"; }
  const char* description() const override { return "Sort words alphabetically"; }
  int max_difficulty() const override { return 7; }
  int nano_difficulty() const override { return 4; }
  std::vector<DataKey> DataKeys() const override { return {{"words", "list of words"}}; }

  Solution Work(const TaskInstance& instance) const override {
    std::vector<std::string> words = Read(instance);
    size_t letters = 2;
    while (letters < 8 && !DifferInFirst(words, letters)) ++letters;
    const std::string given = Keyed(words, letters);
    std::sort(words.begin(), words.end());
    const std::string thinking = fmt::format("words {}\nsorted {}", given, Keyed(words, letters));
    return {thinking, BoxedAnswer(Join(words, " "))};
  }

  std::string Key(const TaskInstance& instance) const override {
    std::vector<std::string> words = Read(instance);
    std::sort(words.begin(), words.end());
    return Join(words, " ");
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    std::vector<std::string> words;
    while (static_cast<int>(words.size()) < kWords[difficulty]) {
      words.emplace_back(rng.Pick(CommonWords()));
      if (!DifferInFirst(words, difficulty <= 2 ? 1 : difficulty <= 4 ? 2 : 8)) words.pop_back();
    }
    instance->data = {{"words", words}};
    const std::string list = Join(words, " ");
    const std::array<std::string, 3> prompts = {fmt::format("Sort these words alphabetically: {}.", list),
                                                fmt::format("Put these words in alphabetical order: {}.", list),
                                                fmt::format("Order from a to z: {}.", list)};
    instance->prompt = rng.Pick(prompts) + " Put the words, separated by spaces, in \\boxed{}.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    std::vector<std::string> words = Read(instance);
    const std::vector<std::string> given = SplitList(ToLower(answer));
    if (given.size() != words.size()) return {0, fmt::format("{} words instead of {}", given.size(), words.size())};
    std::sort(words.begin(), words.end());
    for (size_t i = 0; i < words.size(); ++i) {
      if (given[i] != words[i]) {
        return {0, fmt::format("word {} is {} instead of {}", i + 1, Quoted(given[i]), Quoted(words[i]))};
      }
    }
    return {1, ""};
  }

 private:
  static std::vector<std::string> Read(const TaskInstance& instance) {
    const auto words = instance.data.find("words");
    if (!instance.data.is_object() || words == instance.data.end() || !words->is_array() || words->empty()) {
      throw Error("data of word_sorting: \"words\" must be a list of words");
    }
    std::vector<std::string> list;
    for (const Json& word : *words) {
      if (!word.is_string() || SplitList(word.get<std::string>()).size() != 1) {
        throw Error("data of word_sorting: {} is not a word", word.dump());
      }
      list.push_back(ToLower(word.get<std::string>()));
    }
    return list;
  }
};

}  // namespace

std::unique_ptr<Task> MakeWordSorting() { return std::make_unique<WordSorting>(); }

}  // namespace fulgur
