#include "eval/official_rules.h"
#include "unicode/regex.h"

namespace fulgur::official {

char SimpleQaGrade(std::string_view reply) {
  const size_t letter = reply.find_first_of("ABC");
  return letter == std::string_view::npos ? 'C' : reply[letter];
}

char SimpleQaIntended(std::string_view reply) {
  static const Regex not_attempted(R"(\bNOT[ _]ATTEMPTED\b)"), incorrect(R"(\bINCORRECT\b)"), correct(R"(\bCORRECT\b)"),
      letter(R"(\b[ABC]\b)");
  if (not_attempted.Contains(reply)) return 'C';
  if (incorrect.Contains(reply)) return 'B';
  if (correct.Contains(reply)) return 'A';
  const auto letters = letter.FindAll(reply);
  return letters.empty() ? 'C' : letters.back()[0][0];
}

SimpleQaScores AggregateSimpleQa(std::string_view grades) {
  SimpleQaScores scores;
  if (grades.empty()) return scores;
  const auto n = static_cast<double>(grades.size());
  double count[3] = {0, 0, 0};
  for (const char grade : grades) {
    if (grade >= 'A' && grade <= 'C') ++count[grade - 'A'];
  }
  scores.correct = count[0] / n;
  scores.incorrect = count[1] / n;
  scores.not_attempted = count[2] / n;
  scores.attempted = scores.correct + scores.incorrect;
  if (scores.attempted > 0) scores.accuracy_given_attempted = scores.correct / scores.attempted;
  const double sum = scores.accuracy_given_attempted + scores.correct;
  if (sum > 0) scores.f1 = 2 * scores.accuracy_given_attempted * scores.correct / sum;
  return scores;
}

}  // namespace fulgur::official
