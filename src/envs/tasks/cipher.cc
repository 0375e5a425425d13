// Undoing a Caesar cipher, a reversal, or both, letter by letter: the unread rest and the result so far are restated.
//
// Difficulty: 1: words of up to 4 letters, moved by up to 3 or reversed; 2: up to 5 letters, moved by up to 5;
// 3: up to 6 letters, or both at once; 4: up to 7 letters, moved by up to 12; 5 and 6: random letters, 8 to 12 and 13
// to 20 of them, moved by up to 25.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/task.h"
#include "envs/words.h"

namespace fulgur::cipher {
namespace {

struct Level {
  size_t shortest, longest;
  int shift;
  bool both, random;
};
constexpr std::array<Level, 7> kLevels = {{{},
                                           {3, 4, 3, false, false},
                                           {3, 5, 5, false, false},
                                           {3, 6, 5, true, false},
                                           {4, 7, 12, true, false},
                                           {8, 12, 25, true, true},
                                           {13, 20, 25, true, true}}};

char Move(char letter, int64_t by) { return static_cast<char>('a' + (letter - 'a' + by + 26) % 26); }

std::string After(std::string_view letters) {
  std::string text;
  for (const char c : letters) text += std::string(" ") + c;
  return text;
}

class Cipher : public Task {
 public:
  const char* name() const override { return "cipher"; }
  const char* description() const override { return "Decode a word whose letters were moved, reversed, or both"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 3; }
  std::vector<DataKey> DataKeys() const override {
    return {{"text", "lowercase letters, as they are shown"},
            {"shift", "number from 0 to 25: how far each letter was moved forward; after z comes a"},
            {"reverse", "true or false: whether the word was reversed"}};
  }

  // left f d w have, f is c
  // left d w have c, d is a
  // left w have c a, w is t
  // have c a t
  Solution Work(const TaskInstance& instance) const override {
    const Puzzle p = Read(instance);
    std::string thinking = p.shift != 0 && p.reverse ? fmt::format("back {} and reverse\n", p.shift)
                           : p.shift != 0            ? fmt::format("back {}\n", p.shift)
                                                     : "reverse\n";
    std::string have;
    for (size_t i = 0; i < p.text.size(); ++i) {
      const char plain = Move(p.text[i], -p.shift);
      thinking += fmt::format("left{} have{}, {} is {}\n", After(p.text.substr(i)), After(have), p.text[i], plain);
      have.insert(p.reverse ? 0 : have.size(), 1, plain);
    }
    return {thinking + "have" + After(have), BoxedAnswer(After(have).substr(1))};
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    std::string word;
    if (level.random) {
      for (int64_t n = rng.Int(static_cast<int64_t>(level.shortest), static_cast<int64_t>(level.longest)); n > 0; --n) {
        word += static_cast<char>('a' + rng.Below(26));
      }
    } else {
      do word = rng.Pick(CommonWords());
      while (word.size() < level.shortest || word.size() > level.longest);
    }
    const uint64_t way = rng.Below(level.both ? 3 : 2);
    const bool reverse = way != 0;
    const int64_t shift = way == 1 ? 0 : rng.Int(1, level.shift);
    if (reverse) std::reverse(word.begin(), word.end());
    for (char& c : word) c = Move(c, shift);
    instance->data = {{"text", word}, {"shift", shift}, {"reverse", reverse}};
    const std::string letters = After(word).substr(1);
    const std::string places = fmt::format("{} place{}", shift, shift == 1 ? "" : "s");
    const bool other = rng.Chance(0.5);
    std::string& prompt = instance->prompt;
    if (shift == 0) {
      prompt = (other ? "Reverse this word: " : "This word is written backwards: ") + letters + ".";
    } else if (other) {
      prompt = fmt::format("Move every letter {} back in the alphabet{}: {}.", places,
                           reverse ? " and reverse the word" : "", letters);
    } else {
      prompt = fmt::format("Every letter was moved {} forward{}: {}. Decode it.", places,
                           reverse ? " and the word reversed" : "", letters);
    }
    prompt += " Put the letters, separated by spaces, in \\boxed{}.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle p = Read(instance);
    std::string expected = p.text, given;
    for (char& c : expected) c = Move(c, -p.shift);
    if (p.reverse) std::reverse(expected.begin(), expected.end());
    // The word whole, or its letters apart, and nothing in between.
    const std::vector<std::string> pieces = SplitList(ToLower(answer));
    for (const std::string& piece : pieces) {
      if (pieces.size() > 1 && piece.size() > 1) return {0, Quoted(answer) + " is not one word"};
      given += piece;
    }
    if (given != expected) return {0, fmt::format("{} instead of {}", Quoted(given), Quoted(expected))};
    return {1, ""};
  }

 private:
  struct Puzzle {
    std::string text;
    int64_t shift;
    bool reverse;
  };

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of cipher";
    Puzzle p{JsonGet<std::string>(instance.data, "text", where), JsonGet<int64_t>(instance.data, "shift", where),
             JsonGet<bool>(instance.data, "reverse", where)};
    const bool letters = std::all_of(p.text.begin(), p.text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
    if (p.text.empty() || !letters) throw Error("{}: \"text\" must be lowercase letters", where);
    if (p.shift < 0 || p.shift > 25) throw Error("{}: \"shift\" must be in 0..25", where);
    return p;
  }
};

}  // namespace
}  // namespace fulgur::cipher

namespace fulgur {
std::unique_ptr<Task> MakeCipher() { return std::make_unique<cipher::Cipher>(); }
}  // namespace fulgur
