// A small crossword in letters, from a list with more words than it needs: every row and column of two or more cells is
// a word of the list, none is used twice. Wordscapes says how many words there are; here they have to be chosen.
//
// Difficulty: shape, letters that are given, words too many: 1: a ring of four words of 3 letters, 3, 1; 2: the same,
// 2, 3; 3: a ring of 3 rows and 4 columns, 1, 4; 4: a full square of 3, 1, 4; 5: the same, 0, 10; 6: 3 full rows and 4
// full columns, 0,
// 12. Up to 3 every step fits the first word that is tried.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/crossword.h"
#include "envs/lists.h"
#include "envs/task.h"

namespace fulgur::letter_crossword {
namespace {

struct Level {
  std::string_view shape;
  int given;
  size_t more;
};
constexpr std::array<Level, 7> kLevels = {{{},
                                           {"___ _._ ___", 3, 1},
                                           {"___ _._ ___", 2, 3},
                                           {"____ _.._ ____", 1, 4},
                                           {"___ ___ ___", 1, 4},
                                           {"___ ___ ___", 0, 10},
                                           {"____ ____ ____", 0, 12}}};
constexpr int kMostTries = 20'000, kMostDrawTries = 300;

// Words of everyday language.
constexpr std::string_view kThree =
    "ace act add age ago aid aim air all ant any ape arc are ark arm art ash ask ate awe axe bad bag ban bar bat "
    "bay bed bee bet big bin bit bow box boy bud bug bun bus but buy cab can cap car cat cow cry cub cup cut dad day "
    "den dew did die dig dim dip dog dot dry due ear eat eel egg elf elm end era eve eye fan far fat fed fee few fig "
    "fin fir fit fix fly fog for fox fry fun fur gap gas get got gum gun gut had ham has hat hay hem hen her hid him "
    "hip his hit hog hop hot how hub hug hut ice ill ink inn ion ivy jam jar jaw jet job jog joy keg key kid kin kit "
    "lab lad lap law lay led leg let lid lie lip lit log lot low mad man map mat may men met mix mob mop mud mug nap "
    "net new nod nor not now nut oak oar oat odd off oil old one orb ore our out owe owl own pad pal pan paw pay pea "
    "peg pen pet pie pig pin pit pod pop pot pub put rag ram ran rap rat raw ray red rib rid rim rip rob rod rot row "
    "rub rug run rye sad sap sat saw say sea see set she shy sip sir sit six ski sky sly sob son sow spa spy sum sun "
    "tab tag tan tap tar tax tea ten the tie tin tip toe ton too top toy try tub tug two urn use van vat vet vow wag "
    "war was wax way web wet who why wig win wit won yak yam yes yet you zip zoo ";
constexpr std::string_view kFour =
    "able acid aged arch area army away baby back bake ball band bank barn base bath bead beak beam bean bear beat "
    "bell belt bend best bird bite blue boat body bold bone book boot born boss both bowl bulb bull burn bush busy "
    "cage cake calf call calm came camp card care cart case cash cast cave chin city clay clip club coal coat code "
    "coin cold cook cool cope copy cord core corn cost crab crew crop cube cure curl dark dart data date dawn deal "
    "dear deck deep deer desk dice dirt dish disk dive dock door dose dove down drag draw drip drop drum duck dusk "
    "dust duty each earn ease east easy edge else even ever exit face fact fade fair fall fame farm fast fate fear "
    "feed feel feet felt fern file fill film find fine fire firm fish five flag flat flow foam fold folk fond food "
    "foot fork form fort four free frog fuel full fund game gate gave gear gift girl give glad glue goal goat gold "
    "golf gone good gray grew grid grip grow gulf hair half hall hand hard harm hate have hawk head heal heap hear "
    "heat heel help herb herd here hero hide high hill hint hold hole home hood hook hope horn hour huge hunt icon "
    "idea idle inch iron item jail join joke jump june keen keep kept kick kind king kite knee knew knot know lace "
    "lack lady lake lamb lamp land lane last late lawn lead leaf lean left lens less life lift like lime line link "
    "lion list live load loaf loan lock loft long look loop lord lose lost loud love luck lung made mail main make "
    "male mall many mark mask mass mast mate meal mean meat meet melt menu mice mild mile milk mill mind mine mint "
    "miss mist mode mole mood moon more moss most move much must myth nail name navy near neat neck need nest news "
    "next nice nine node none noon nose note oath oven over pace pack page pain pair pale palm park part pass past "
    "path peak pear peel pick pier pile pine pink pipe plan play plot plum poem poet pole pond pony pool poor port "
    "pose post pour pull pump pure push race rack rage rail rain rank rare rate read real rear rent rest rice rich "
    "ride ring rise risk road roar robe rock role roll roof room root rope rose rule rush rust safe sail salt same "
    "sand save seal seat seed seek seem self sell send shed ship shoe shop show shut side sign silk sing sink size "
    "skin slip slow snow soap sock soft soil sole some song soon sort soul soup spin spot star stay stem step stir "
    "stop such suit sure swan swim tail take tale talk tall tank tape task team tear tell tent term test text than "
    "that them then thin this tide tidy tile time tiny tire toad told tone took tool tour town trap tray tree trim "
    "trip true tube tune turn twin type unit upon vase vast verb very vest view vine vote wage wait wake walk wall "
    "want warm warn wash wave weak wear week well went west what when wide wife wild will wind wine wing wire wise "
    "wish wolf wood wool word work worm wrap yard yarn year zero zone ";

std::vector<std::string> Lexicon() {
  std::vector<std::string> words = SplitList(kThree);
  for (const std::string& word : SplitList(kFour)) words.push_back(word);
  return words;
}

// All grids of three rows, of so many columns, in which every row and column is a word and all are different; row after
// row. A search in random order would mostly run into dead ends.
std::vector<std::string> FullGrids(const std::vector<std::string>& lexicon, size_t columns) {
  constexpr size_t kLetters = 26;
  const auto code = [](char c) { return static_cast<size_t>(c - 'a'); };
  std::vector<bool> begins(kLetters * kLetters), words(kLetters * kLetters * kLetters);
  std::vector<std::string> rows, grids;
  for (const std::string& word : lexicon) {
    if (word.size() == columns) rows.push_back(word);
    if (word.size() != 3) continue;
    begins[code(word[0]) * kLetters + code(word[1])] = true;
    words[(code(word[0]) * kLetters + code(word[1])) * kLetters + code(word[2])] = true;
  }
  for (const std::string& a : rows) {
    for (const std::string& b : rows) {
      size_t i = 0;
      while (i < columns && begins[code(a[i]) * kLetters + code(b[i])]) ++i;
      if (i < columns) continue;
      for (const std::string& c : rows) {
        for (i = 0; i < columns; ++i) {
          if (!words[(code(a[i]) * kLetters + code(b[i])) * kLetters + code(c[i])]) break;
        }
        if (i < columns) continue;
        std::vector<std::string> used = {a, b, c};
        for (i = 0; i < columns; ++i) used.push_back({a[i], b[i], c[i]});
        std::sort(used.begin(), used.end());
        if (std::adjacent_find(used.begin(), used.end()) == used.end()) grids.push_back(a + b + c);
      }
    }
  }
  return grids;
}

class LetterCrossword : public Task {
 public:
  const char* name() const override { return "letter_crossword"; }
  const char* description() const override { return "Fill a small crossword with words chosen from a list"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 3; }
  std::vector<DataKey> DataKeys() const override {
    return {{"grid",
             "rows separated by spaces: . for a blocked cell, _ for a letter to fill in, letters that are given; at "
             "most 16 rows and columns"},
            {"words", "list of lowercase words; more than fit"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Crossword crossword = Read(instance);
    CrosswordRun run = FillCrossword(crossword, kMostTries, true);
    if (!run.solved) throw Error("data of letter_crossword: no way to fill it was found in {} tries", kMostTries);
    run.text.pop_back();
    return {run.text, BoxedAnswer(GridText(crossword, run.cells, " "))};
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    static const std::vector<std::string>& lexicon = *new std::vector<std::string>(Lexicon());
    const Level& level = kLevels[difficulty];
    Crossword crossword;
    const std::vector<std::string> shape = SplitList(level.shape);
    crossword.rows = static_cast<int>(shape.size());
    crossword.columns = static_cast<int>(shape[0].size());
    const std::string empty = Join(shape, "");
    const std::vector<Slot> slots = Slots({crossword.rows, crossword.columns, empty, {}, false});
    for (;;) {
      std::string full;
      if (empty.find('.') == std::string::npos) {
        static const std::vector<std::string>& squares = *new std::vector<std::string>(FullGrids(lexicon, 3));
        static const std::vector<std::string>& oblongs = *new std::vector<std::string>(FullGrids(lexicon, 4));
        full = rng.Pick(crossword.columns == 3 ? squares : oblongs);
      } else {
        // Any filling from all words, in another order each time.
        crossword.cells = empty;
        crossword.words.clear();
        for (const std::string& word : lexicon) {
          const bool fits = std::any_of(slots.begin(), slots.end(),
                                        [&](const Slot& slot) { return slot.cells.size() == word.size(); });
          if (fits) crossword.words.push_back(word);
        }
        rng.Shuffle<std::string>(crossword.words);
        const CrosswordRun run = FillCrossword(crossword, kMostDrawTries, false);
        if (!run.solved) continue;
        full = run.cells;
      }
      std::vector<std::string> words;
      for (const Slot& slot : slots) {
        std::string word;
        for (const int cell : slot.cells) word += full[cell];
        words.push_back(word);
      }
      // And others of the same lengths.
      const size_t needed = words.size();
      while (words.size() < needed + level.more) {
        const std::string& word = rng.Pick(lexicon);
        if (word.size() == words[rng.Below(needed)].size() && IndexOf(words, word) < 0) words.push_back(word);
      }
      std::sort(words.begin(), words.end());
      crossword.words = words;
      std::vector<size_t> letters;
      for (size_t i = 0; i < empty.size(); ++i) {
        if (empty[i] != '.') letters.push_back(i);
      }
      rng.Shuffle<size_t>(letters);
      crossword.cells = empty;
      for (int i = 0; i < level.given; ++i) crossword.cells[letters[i]] = full[letters[i]];
      const CrosswordRun run = FillCrossword(crossword, kMostDrawTries, false);
      if (run.solved && (difficulty > 3 || run.returns == 0)) break;
    }
    const std::string words = Join(crossword.words, ", ");
    instance->data = {{"grid", GridText(crossword, crossword.cells, " ")}, {"words", crossword.words}};
    const std::array<std::string, 2> openings = {fmt::format("Fill this crossword with words of the list {}:", words),
                                                 fmt::format("Choose words from {} for this grid:", words)};
    instance->prompt = fmt::format(
        "{}\n{}\n_ is a letter to fill in, . stays. Across and down, every run of two or more letters is a word of the "
        "list, "
        "and no word is used twice. Put the rows in \\boxed{{}}.",
        rng.Pick(openings), GridText(crossword, crossword.cells, "\n"));
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    return JudgeCrossword(Read(instance), answer);
  }

 private:
  static Crossword Read(const TaskInstance& instance) {
    return ReadCrossword(instance.data, "data of letter_crossword", false);
  }
};

}  // namespace
}  // namespace fulgur::letter_crossword

namespace fulgur {
std::unique_ptr<Task> MakeLetterCrossword() { return std::make_unique<letter_crossword::LetterCrossword>(); }
}  // namespace fulgur
