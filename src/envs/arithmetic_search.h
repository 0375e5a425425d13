// Numbers, each used exactly once with + - * /, that are to make a target: the search of the worked solutions of
// countdown and game_of_24, and the judge of their answers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "envs/task.h"

namespace fulgur {

inline constexpr size_t kMostArithmeticNumbers = 6;
inline constexpr int64_t kMostArithmeticValue = 1'000'000;

struct ArithmeticSolution {
  bool found = false;
  std::string expression;
  // How it was found. With three numbers left, each in turn is the one used last: what the other two would have to make
  // is listed, then what they do make, until one is on the list ("yes"). With more numbers, two are combined first,
  // pairs and operations in a fixed order, and the search goes on with the result; all but the first failure are left
  // out.
  std::string trace;
  int tried = 0;  // sets of three numbers
};

// Only whole positive numbers on the way. At least three numbers, from 1 up.
ArithmeticSolution SearchArithmetic(const std::vector<int64_t>& numbers, int64_t target);

// 1 if the answer is an expression, in which a minus may stand before a number or a bracket, too, perhaps followed by
// "= target", that uses each number once for every time it is given and has the target's value, computed exactly as
// fractions. Takes time linear in the answer.
Score JudgeArithmetic(std::string_view answer, const std::vector<int64_t>& numbers, int64_t target);

// The numbers of "numbers", at least three; or Error. `where` names the data.
std::vector<int64_t> ArithmeticNumbersFromData(const Json& data, const std::string& where);

}  // namespace fulgur
