// Cryptarithm: an addition in which letters stand for digits.
//
// The worked solution adds column by column from the right, tries digits in order where the letters are not known yet,
// and goes back where a column cannot be. Letters are given away until there is one solution. Of more than three wrong
// ways only the first are shown.
//
// Difficulty: digits of the numbers, letters that are not given: 1: 2 and 2, 2: 2 and 3, 3: 3 and 5, 4: 3 and 6, 5: 4
// and 7, 6: 5 and 10 (at most).
#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <map>

#include "envs/answer.h"
#include "envs/task.h"

namespace fulgur::cryptarithm {
namespace {

struct Level {
  int digits, unknown;
  size_t most_text;
};
constexpr std::array<Level, 7> kLevels = {{{}, {2, 2, 200}, {2, 3, 250}, {3, 5, 0}, {3, 6, 0}, {4, 7, 0}, {5, 10, 0}}};
constexpr size_t kMostLetters = 12;  // of a word
constexpr int kMostSteps = 200'000;
constexpr int kShownRetreats = 3;

struct Puzzle {
  std::array<std::string, 3> words;  // two that are added, and the sum
  std::map<char, int> given;
};

std::string Equation(const Puzzle& puzzle) {
  return fmt::format("{} + {} = {}", puzzle.words[0], puzzle.words[1], puzzle.words[2]);
}

std::string Letters(const Puzzle& puzzle) {
  std::string letters;
  for (const std::string& word : puzzle.words) {
    for (const char c : word) {
      if (letters.find(c) == std::string::npos) letters += c;
    }
  }
  std::sort(letters.begin(), letters.end());
  return letters;
}

bool Leads(const Puzzle& puzzle, char letter) {
  return std::any_of(puzzle.words.begin(), puzzle.words.end(),
                     [&](const std::string& word) { return word.size() > 1 && word[0] == letter; });
}

class Adder {
 public:
  Adder(const Puzzle& puzzle, int limit, bool words) : problem_(puzzle), limit_(limit), words_(words) {
    digit_.fill(-1);
    for (const char c : Letters(puzzle)) leads_[c - 'A'] = Leads(puzzle, c);
    for (const auto& [letter, digit] : puzzle.given) {
      digit_[letter - 'A'] = digit;
      used_ |= 1u << digit;
    }
  }

  // The number of solutions, at most the limit; 0 as well if the search would take too long.
  int Run() {
    Column(0, 0);
    return steps_ > kMostSteps ? 0 : static_cast<int>(found_.size());
  }

  const std::vector<std::array<int, 26>>& found() const { return found_; }
  const std::string& text() const { return text_; }

 private:
  // The letter of a word in a column, from the right; 0 if it is shorter.
  char At(int word, size_t column) const {
    const std::string& text = problem_.words[word];
    return column < text.size() ? text[text.size() - 1 - column] : '\0';
  }

  // Digits a letter may have, as bits. No letter: 0 only.
  uint32_t Choices(char letter) const {
    if (letter == '\0') return 1;
    if (digit_[letter - 'A'] >= 0) return 1u << digit_[letter - 'A'];
    return 0x3ffu & ~used_ & (leads_[letter - 'A'] ? ~1u : ~0u);
  }

  // Gives the letter a digit; true if it had none.
  bool Give(char letter, int digit) {
    if (letter == '\0' || digit_[letter - 'A'] >= 0) return false;
    digit_[letter - 'A'] = digit;
    used_ |= 1u << digit;
    return true;
  }

  void Take(char letter) {
    used_ &= ~(1u << digit_[letter - 'A']);
    digit_[letter - 'A'] = -1;
  }

  static std::string Text(char letter, int digit) {
    return letter == '\0' ? "" : std::string(1, letter) + std::to_string(digit);
  }

  void Column(size_t column, int carry) {
    if (column == problem_.words[2].size()) {
      if (carry == 0) found_.push_back(digit_);
      return;
    }
    const char a = At(0, column), b = At(1, column), c = At(2, column);
    for (uint32_t first = Choices(a); first != 0; first &= first - 1) {
      const int x = std::countr_zero(first);
      const bool gave_a = Give(a, x);
      for (uint32_t second = Choices(b); second != 0; second &= second - 1) {
        const int y = std::countr_zero(second);
        const bool gave_b = Give(b, y);
        const int sum = x + y + carry, z = sum % 10;
        if (++steps_ <= kMostSteps && (Choices(c) >> z & 1) != 0 &&
            (column + 1 < problem_.words[2].size() || sum < 10)) {
          const bool gave_c = Give(c, z);
          const size_t before = text_.size();
          if (words_) {
            text_ += Text(a, x);
            if (b != '\0') text_ += "+" + Text(b, y);
            text_ += fmt::format("{}{}={} so {} carry {}\n", text_.size() > before ? "+" : "", carry, sum, Text(c, z),
                                 sum / 10);
          }
          Column(column + 1, sum / 10);
          if (static_cast<int>(found_.size()) >= limit_) return;
          if (words_ && ++retreats_ > kShownRetreats) {
            text_.resize(before);
          } else if (words_) {
            text_ += "no, back\n";
          }
          if (gave_c) Take(c);
        }
        if (gave_b) Take(b);
      }
      if (gave_a) Take(a);
    }
  }

  const Puzzle& problem_;
  int limit_;
  bool words_;
  std::array<int, 26> digit_{};
  std::array<bool, 26> leads_{};
  uint32_t used_ = 0;
  int steps_ = 0, retreats_ = 0;
  std::vector<std::array<int, 26>> found_;
  std::string text_;
};

class Cryptarithm : public Task {
 public:
  const char* name() const override { return "cryptarithm"; }
  const char* description() const override { return "Find the digits that the letters of an addition stand for"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 2; }
  std::vector<DataKey> DataKeys() const override {
    return {{"words", "list of three words of 1 to 12 capital letters; the first two add up to the third"},
            {"given", "object of letters and their digits, such as {\"A\": 3}; may be empty"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    Adder adder(puzzle, 1, true);
    if (adder.Run() == 0) throw Error("data of cryptarithm: the search finds no digits for {}", Equation(puzzle));
    std::array<std::string, 3> numbers = puzzle.words;
    for (std::string& word : numbers) {
      for (char& c : word) c = static_cast<char>('0' + adder.found()[0][c - 'A']);
    }
    const std::string equation = fmt::format("{}+{}={}", numbers[0], numbers[1], numbers[2]);
    return {adder.text() + equation, BoxedAnswer(equation)};
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    int64_t low = 1;
    for (int i = 1; i < level.digits; ++i) low *= 10;
    Puzzle puzzle;
    for (;;) {
      std::array<char, 26> letters{};
      for (int i = 0; i < 26; ++i) letters[i] = static_cast<char>('A' + i);
      rng.Shuffle<char>(letters);
      const int64_t a = rng.Int(low, low * 10 - 1), b = rng.Int(low, low * 10 - 1);
      puzzle.given.clear();
      puzzle.words = {std::to_string(a), std::to_string(b), std::to_string(a + b)};
      std::map<char, int> digit;
      for (std::string& word : puzzle.words) {
        for (char& c : word) {
          const int value = c - '0';
          c = letters[value];
          digit[c] = value;
        }
      }
      if (static_cast<int>(digit.size()) < level.unknown && level.unknown < 10) continue;
      std::string order = Letters(puzzle);
      rng.Shuffle<char>(order);
      size_t next = 0;
      while (static_cast<int>(order.size() - next) > level.unknown || Adder(puzzle, 2, false).Run() != 1) {
        if (next == order.size()) break;
        puzzle.given[order[next]] = digit[order[next]];
        ++next;
      }
      // The easy levels have exactly so many unknown letters, the others at least one.
      const int unknown = static_cast<int>(order.size() - next);
      if (unknown < (level.most_text != 0 ? level.unknown : 1)) continue;
      if (level.most_text == 0) break;
      Adder adder(puzzle, 1, true);
      adder.Run();
      if (adder.text().size() <= level.most_text) break;
    }
    Json given = Json::object();
    std::string list;
    for (const auto& [letter, digit] : puzzle.given) {
      given[std::string(1, letter)] = digit;
      list += fmt::format("{}{} = {}", list.empty() ? "" : ", ", letter, digit);
    }
    instance->data = {{"words", puzzle.words}, {"given", given}};
    const std::array<std::string, 2> prompts = {fmt::format("Which digits make {} true?", Equation(puzzle)),
                                                fmt::format("Solve the cryptarithm {}.", Equation(puzzle))};
    instance->prompt = rng.Pick(prompts) +
                       " Every letter stands for one digit from 0 to 9, different letters for different digits, and no "
                       "number of several digits begins with 0." +
                       (list.empty() ? "" : " Given: " + list + ".") +
                       " Put the addition with digits in \\boxed{}, like 12+34=46.";
  }

  // The addition with digits, or a digit for every letter that is not given: A=1, B=2.
  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    std::map<char, int> digit;
    std::string reason;
    const bool equation = answer.find('+') != std::string::npos;
    if (!(equation ? ReadEquation(puzzle, answer, &digit, &reason) : ReadLetters(puzzle, answer, &digit, &reason))) {
      return {0, reason};
    }
    std::map<int, char> letter_of;
    for (const auto& [letter, value] : digit) {
      const auto given = puzzle.given.find(letter);
      if (given != puzzle.given.end() && given->second != value) return {0, fmt::format("{} was given", letter)};
      if (value == 0 && Leads(puzzle, letter)) return {0, "a number begins with 0"};
      const auto [other, inserted] = letter_of.emplace(value, letter);
      if (!inserted) return {0, fmt::format("{} and {} are both {}", other->second, letter, value)};
    }
    std::array<int64_t, 3> numbers{};
    for (size_t i = 0; i < 3; ++i) {
      for (const char c : puzzle.words[i]) numbers[i] = numbers[i] * 10 + digit[c];
    }
    if (numbers[0] + numbers[1] != numbers[2]) {
      return {0, fmt::format("{} and {} do not make {}", numbers[0], numbers[1], numbers[2])};
    }
    return {1, ""};
  }

 private:
  static bool ReadEquation(const Puzzle& puzzle, const std::string& answer, std::map<char, int>* digit,
                           std::string* reason) {
    std::string given;
    for (const std::string& piece : SplitList(answer)) given += piece;
    if (SplitList(answer).size() > 5 || answer.find_first_of(",;") != std::string::npos) {
      *reason = "that is not one addition";
      return false;
    }
    const std::string wanted = fmt::format("{}+{}={}", puzzle.words[0], puzzle.words[1], puzzle.words[2]);
    if (given.size() != wanted.size()) {
      *reason = "the numbers have not as many digits as the words letters";
      return false;
    }
    for (size_t i = 0; i < wanted.size(); ++i) {
      const bool letter = wanted[i] >= 'A' && wanted[i] <= 'Z';
      const bool fits = letter ? given[i] >= '0' && given[i] <= '9' : given[i] == wanted[i];
      if (!fits) {
        *reason = fmt::format("{} instead of {}", Quoted(given.substr(i, 1)), wanted[i]);
        return false;
      }
      if (!letter) continue;
      const auto [at, inserted] = digit->emplace(wanted[i], given[i] - '0');
      if (!inserted && at->second != given[i] - '0') {
        *reason = fmt::format("{} has two digits", wanted[i]);
        return false;
      }
    }
    return true;
  }

  static bool ReadLetters(const Puzzle& puzzle, const std::string& answer, std::map<char, int>* digit,
                          std::string* reason) {
    const std::string letters = Letters(puzzle);
    char open = '\0';
    for (size_t i = 0; i < answer.size(); ++i) {
      const char c = answer[i];
      if (std::string_view(" \n\r\t,;:=->()[]{}").find(c) != std::string_view::npos) continue;
      const char letter = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      const bool digit_alone = c >= '0' && c <= '9' && open != '\0' &&
                               (i + 1 == answer.size() || answer[i + 1] < '0' || answer[i + 1] > '9');
      if (digit_alone) {
        (*digit)[open] = c - '0';
        open = '\0';
      } else if (open == '\0' && letters.find(letter) != std::string::npos && digit->count(letter) == 0) {
        open = letter;
      } else {
        *reason = Quoted(answer.substr(i)) + " cannot stand there";
        return false;
      }
    }
    if (open != '\0') {
      *reason = fmt::format("{} has no digit", open);
      return false;
    }
    for (const auto& [letter, value] : puzzle.given) digit->emplace(letter, value);
    for (const char letter : letters) {
      if (digit->count(letter) != 0) continue;
      *reason = fmt::format("{} has no digit", letter);
      return false;
    }
    return true;
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of cryptarithm";
    Puzzle puzzle;
    const auto words = instance.data.is_object() ? instance.data.find("words") : instance.data.end();
    if (!instance.data.is_object() || words == instance.data.end() || !words->is_array() || words->size() != 3) {
      throw Error("{}: \"words\" must be three words", where);
    }
    for (size_t i = 0; i < 3; ++i) {
      const Json& word = (*words)[i];
      puzzle.words[i] = word.is_string() ? word.get<std::string>() : "";
      if (puzzle.words[i].empty() || puzzle.words[i].size() > kMostLetters ||
          puzzle.words[i].find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string::npos) {
        throw Error("{}: \"words\": {} is not 1 to {} letters from A to Z", where, word.dump(), kMostLetters);
      }
    }
    const std::string letters = Letters(puzzle);
    if (puzzle.words[2].size() < std::max(puzzle.words[0].size(), puzzle.words[1].size()) || letters.size() > 10) {
      throw Error("{}: \"words\": the sum is too short, or there are more than ten letters", where);
    }
    const auto given = instance.data.find("given");
    if (given == instance.data.end() || !given->is_object()) throw Error("{}: \"given\" must be an object", where);
    uint32_t used = 0;
    for (const auto& [letter, digit] : given->items()) {
      const bool fits = letter.size() == 1 && letters.find(letter) != std::string::npos && digit.is_number_integer() &&
                        digit.get<int64_t>() >= 0 && digit.get<int64_t>() <= 9;
      if (!fits || (used >> digit.get<int>() & 1) != 0) {
        throw Error("{}: \"given\": {}: {} is not a digit of its own for a letter of the words", where, Quoted(letter),
                    digit.dump());
      }
      used |= 1u << digit.get<int>();
      puzzle.given[letter[0]] = digit.get<int>();
    }
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::cryptarithm

namespace fulgur {
std::unique_ptr<Task> MakeCryptarithm() { return std::make_unique<cryptarithm::Cryptarithm>(); }
}  // namespace fulgur
