#include "eval/needles.h"

#include <fmt/format.h>

#include <array>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/rng.h"

namespace fulgur {

namespace {

constexpr std::array<std::string_view, 6> kForms = {"poem", "letter", "song", "diary entry", "news item", "recipe"};
constexpr std::array<std::string_view, 12> kTopics = {"rivers", "lanterns", "goats",  "trains", "honey", "snow",
                                                      "clocks", "ladders",  "whales", "bread",  "kites", "mirrors"};
constexpr std::array<std::string_view, 14> kSubjects = {
    "The miller", "A tired clerk", "My neighbour", "The old captain", "A quiet child", "The baker's dog", "Our teacher",
    "A stranger", "The gardener",  "Her uncle",    "The night watch", "A young fox",   "The ferryman",    "His sister"};
constexpr std::array<std::string_view, 14> kVerbs = {"carries",  "forgets", "paints",  "repairs", "counts",
                                                     "hides",    "follows", "praises", "loses",   "draws",
                                                     "measures", "sells",   "watches", "mends"};
constexpr std::array<std::string_view, 14> kObjects = {
    "a green door",  "three stones",      "the last coin", "an empty bottle", "a map of the hills", "the broken wheel",
    "two blue cups", "a basket of plums", "the long rope", "a letter",        "seven feathers",     "the copper bell",
    "a coat",        "the garden gate"};
constexpr std::array<std::string_view, 8> kTimes = {"at dawn",        "before the rain", "on market day",
                                                    "in the winter",  "after supper",    "by the bridge",
                                                    "without a word", "at midnight"};

template <typename List>
std::string_view Draw(Rng& rng, const List& list) {
  return list[rng.Below(list.size())];
}

std::string Text(Rng& rng, std::string_view topic) {
  std::string text = fmt::format("Of {}:", topic);
  const uint64_t sentences = 3 + rng.Below(4);
  for (uint64_t i = 0; i < sentences; ++i) {
    text += fmt::format("{} {} {} {} {}.", i == 0 ? " " : "\n", Draw(rng, kSubjects), Draw(rng, kVerbs),
                        Draw(rng, kObjects), Draw(rng, kTimes));
  }
  return text;
}

std::string Ordinal(int n) {
  constexpr std::array<const char*, 8> kNames = {"first", "second", "third",   "fourth",
                                                 "fifth", "sixth",  "seventh", "eighth"};
  return kNames[static_cast<size_t>(n)];
}

}  // namespace

Json MakeNeedleTask(int64_t characters, int needles, uint64_t seed) {
  FULGUR_CHECK(characters >= 1 && needles >= 1 && needles <= 8);
  Rng rng(Mix(seed, Mix(static_cast<uint64_t>(characters), static_cast<uint64_t>(needles))));
  const std::string_view form = Draw(rng, kForms), topic = Draw(rng, kTopics);
  struct Turn {
    std::string request, answer;
  };
  const auto request = [](std::string_view f, std::string_view t) { return fmt::format("Write a {} about {}.", f, t); };
  std::vector<Turn> hay, wanted;
  std::set<std::string> answers;
  int64_t length = 0;
  while (static_cast<int>(wanted.size()) < needles) {
    Turn turn{request(form, topic), Text(rng, topic)};
    if (!answers.insert(turn.answer).second) continue;
    length += static_cast<int64_t>(turn.request.size() + turn.answer.size());
    wanted.push_back(std::move(turn));
  }
  while (length < characters) {
    const std::string_view f = Draw(rng, kForms), t = Draw(rng, kTopics);
    if (f == form && t == topic) continue;
    Turn turn{request(f, t), Text(rng, t)};
    length += static_cast<int64_t>(turn.request.size() + turn.answer.size());
    hay.push_back(std::move(turn));
  }
  // The needles' places among all, in order.
  std::set<size_t> places;
  while (places.size() < wanted.size()) places.insert(rng.Below(hay.size() + wanted.size()));
  Json messages = Json::array();
  size_t next_hay = 0, next_wanted = 0;
  for (size_t i = 0; i < hay.size() + wanted.size(); ++i) {
    const Turn& turn = places.contains(i) ? wanted[next_wanted++] : hay[next_hay++];
    messages.push_back({{"role", "user"}, {"content", turn.request}});
    messages.push_back({{"role", "assistant"}, {"content", turn.answer}});
  }
  const int asked = static_cast<int>(rng.Below(static_cast<uint64_t>(needles)));
  std::string word;
  for (int i = 0; i < 8; ++i) word += static_cast<char>('a' + rng.Below(26));
  messages.push_back(
      {{"role", "user"},
       {"content",
        fmt::format("Say {} and right behind it, letter for letter, the {} {} about {} above. Say nothing else.", word,
                    Ordinal(asked), form, topic)}});
  return {{"prompt", messages},
          {"answer", word + wanted[static_cast<size_t>(asked)].answer},
          {"random_string_to_prepend", word},
          {"n_needles", needles},
          {"length", characters},
          {"total_messages", messages.size()},
          {"n_chars", length}};
}

FactText MakeFactText(int64_t characters, int facts, int questions, uint64_t seed) {
  FULGUR_CHECK(characters >= 1 && questions >= 1 && questions <= facts && facts <= kMostFacts);
  Rng rng(Mix(seed, Mix(static_cast<uint64_t>(characters), static_cast<uint64_t>(facts))));
  std::string letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  std::vector<std::string> sentences;
  FactText task;
  int64_t length = 0;
  for (size_t i = 0; i < static_cast<size_t>(facts); ++i) {
    std::swap(letters[i], letters[i + rng.Below(letters.size() - i)]);
    sentences.push_back(fmt::format("{} is {}.", letters[i], 100 + rng.Below(900)));
    if (static_cast<int>(i) < questions) {
      task.questions.emplace_back(fmt::format("What is {}?", letters[i]), sentences.back());
    }
    length += static_cast<int64_t>(sentences.back().size()) + 1;
  }
  while (length < characters) {
    sentences.push_back(
        fmt::format("{} {} {} {}.", Draw(rng, kSubjects), Draw(rng, kVerbs), Draw(rng, kObjects), Draw(rng, kTimes)));
    length += static_cast<int64_t>(sentences.back().size()) + 1;
  }
  for (size_t i = 0; i + 1 < sentences.size(); ++i)
    std::swap(sentences[i], sentences[i + rng.Below(sentences.size() - i)]);
  for (const std::string& sentence : sentences) task.text += (task.text.empty() ? "" : "\n") + sentence;
  return task;
}

}  // namespace fulgur
