#include "grammar/json_numbers.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "base/json_as_given.h"

namespace fulgur {
namespace {

Wide Floor(Wide value, Wide unit) { return (value >= 0 ? value : value - (unit - 1)) / unit * unit; }
Wide Ceil(Wide value, Wide unit) { return -Floor(-value, unit); }

std::string Decimal(Wide value, int width = 0) {
  std::string text;
  for (; value > 0 || text.empty(); value /= 10)
    text.insert(text.begin(), static_cast<char>('0' + static_cast<int>(value % 10)));
  if (static_cast<int>(text.size()) < width) text.insert(0, static_cast<size_t>(width) - text.size(), '0');
  return text;
}

GrammarPiece DigitRange(GrammarBuilder& b, char low, char high) {
  CodePointSet set;
  set.Add(static_cast<char32_t>(low), static_cast<char32_t>(high) + 1);
  return b.Characters(set);
}

// All numbers of a number of digits, between bounds that are not negative.
class Ranges {
 public:
  explicit Ranges(GrammarBuilder& builder) : b_(builder) {}

  // 0 <= low.
  GrammarPiece Between(Wide low, Wide high, int digits) {
    if (low > high) return b_.Choice({});
    const Wide first = low / kOne, last = high / kOne;
    const Wide low_rest = low % kOne, high_rest = high % kOne;
    if (first == last) {
      return b_.Sequence({IntegerBetween(first, first), Fraction(low_rest, high_rest, digits)});
    }
    std::vector<GrammarPiece> ways;
    ways.push_back(b_.Sequence({IntegerBetween(first, first), Fraction(low_rest, kOne - 1, digits)}));
    if (first + 1 <= last - 1) {
      ways.push_back(b_.Sequence({IntegerBetween(first + 1, last - 1), Fraction(0, kOne - 1, digits)}));
    }
    ways.push_back(b_.Sequence({IntegerBetween(last, last), Fraction(0, high_rest, digits)}));
    return b_.Choice(std::move(ways));
  }

 private:
  GrammarPiece Digits(int min, int max) {
    return b_.Repeat(DigitRange(b_, '0', '9'), static_cast<uint32_t>(min), static_cast<uint32_t>(max));
  }

  GrammarPiece IntegerBetween(Wide low, Wide high) {
    std::vector<GrammarPiece> ways;
    if (low == high) return b_.Literal(Decimal(low));
    if (low == 0) {
      ways.push_back(b_.Literal("0"));
      low = 1;
    }
    for (int length = static_cast<int>(Decimal(low).size()); low <= high; ++length) {
      const Wide last = std::min(high, PowerOfTen(length) - 1);
      if (low == PowerOfTen(length - 1) && last == PowerOfTen(length) - 1) {
        // All numbers of so many digits, and of how many more that is so.
        int longest = length;
        while (PowerOfTen(longest + 1) - 1 <= high) ++longest;
        ways.push_back(b_.Sequence({DigitRange(b_, '1', '9'), Digits(length - 1, longest - 1)}));
        length = longest;
        low = PowerOfTen(longest);
        continue;
      }
      ways.push_back(SameLength(Decimal(low), Decimal(last)));
      low = last + 1;
    }
    return b_.Choice(std::move(ways));
  }

  // Digits between two texts of the same length.
  GrammarPiece SameLength(std::string_view low, std::string_view high) {
    if (low.empty()) return b_.Sequence({});
    const int rest = static_cast<int>(low.size()) - 1;
    if (low.find_first_not_of('0') == std::string_view::npos && high.find_first_not_of('9') == std::string_view::npos) {
      return Digits(rest + 1, rest + 1);
    }
    const std::string zeros(low.size() - 1, '0'), nines(low.size() - 1, '9');
    char first = low[0], last = high[0];
    if (first == last) {
      return b_.Sequence({b_.Literal(low.substr(0, 1)), SameLength(low.substr(1), high.substr(1))});
    }
    std::vector<GrammarPiece> ways;
    if (low.substr(1) != zeros) {
      ways.push_back(b_.Sequence({DigitRange(b_, first, first), SameLength(low.substr(1), nines)}));
      ++first;
    }
    if (high.substr(1) != nines) {
      ways.push_back(b_.Sequence({DigitRange(b_, last, last), SameLength(zeros, high.substr(1))}));
      --last;
    }
    if (first <= last) ways.push_back(b_.Sequence({DigitRange(b_, first, last), Digits(rest, rest)}));
    return b_.Choice(std::move(ways));
  }

  // Nothing, or a point and up to `digits` digits, whose value in units of 1e-17 lies between low and high.
  GrammarPiece Fraction(Wide low, Wide high, int digits) {
    std::vector<GrammarPiece> ways;
    if (low == 0) ways.push_back(b_.Sequence({}));
    if (digits > 0) {
      const std::string from = Decimal(low, kFractionDigits), to = Decimal(high, kFractionDigits);
      ways.push_back(b_.Sequence({b_.Literal("."), FractionDigits(from, to, 0, digits, true, true)}));
    }
    return b_.Choice(std::move(ways));
  }

  // The digits from `at` on. above, below: those before were the ones of `low`, of `high`.
  GrammarPiece FractionDigits(const std::string& low, const std::string& high, int at, int digits, bool above,
                              bool below) {
    const bool may_end = at > 0 && (!above || low.find_first_not_of('0', static_cast<size_t>(at)) == std::string::npos);
    if (at == digits) return may_end ? b_.Sequence({}) : b_.Choice({});
    if (!above && !below) return Digits(at > 0 ? 0 : 1, digits - at);
    const char first = above ? low[static_cast<size_t>(at)] : '0', last = below ? high[static_cast<size_t>(at)] : '9';
    std::vector<GrammarPiece> ways;
    if (may_end) ways.push_back(b_.Sequence({}));
    const auto add = [&](char from, char to, bool still_above, bool still_below) {
      if (from > to) return;
      ways.push_back(
          b_.Sequence({DigitRange(b_, from, to), FractionDigits(low, high, at + 1, digits, still_above, still_below)}));
    };
    if (first == last) {
      add(first, first, above, below);
    } else {
      if (above) add(first, first, true, false);
      add(static_cast<char>(first + above), static_cast<char>(last - below), false, false);
      if (below) add(last, last, false, true);
    }
    return b_.Choice(std::move(ways));
  }

  GrammarBuilder& b_;
};

// The multiples of a step between bounds that are not negative: digits are read together with the remainder of what
// they make up so far.
class Multiples {
 public:
  Multiples(GrammarBuilder& builder, NumberStep step) : b_(builder), step_(step) {}

  // Both of them multiples of 10^-digits.
  GrammarPiece Between(Wide low, Wide high) {
    const Wide unit = PowerOfTen(kFractionDigits - step_.digits);
    std::vector<GrammarPiece> ways;
    for (int length = static_cast<int>(Decimal(low / kOne).size()); low <= high; ++length) {
      const Wide last = std::min(high, PowerOfTen(length) * kOne - unit);
      low_ = Decimal(low / unit, length + step_.digits);
      high_ = Decimal(last / unit, length + step_.digits);
      integer_digits_ = length;
      ways.push_back(From(0, true, true, 0));
      low = last + unit;
    }
    return b_.Choice(std::move(ways));
  }

 private:
  // What may come behind `at` digits of remainder r. above, below: those were the ones of low_, of high_.
  GrammarPiece From(int at, bool above, bool below, int64_t r) {
    const int left = static_cast<int>(low_.size()) - at;
    const std::tuple key(std::max(integer_digits_ - at, -1), left, r);
    const bool free = !above && !below;
    if (free) {
      if (const auto known = free_.find(key); known != free_.end()) return known->second;
    }
    std::vector<GrammarPiece> ways;
    if (at >= integer_digits_ && Divides(r, left) &&
        (!above || low_.find_first_not_of('0', static_cast<size_t>(at)) == std::string::npos)) {
      ways.push_back(b_.Sequence({}));  // digits that are left out are zeros
    }
    if (left > 0) {
      const GrammarPiece digit = NextDigit(at, above, below, r);
      ways.push_back(at == integer_digits_ ? b_.Sequence({b_.Literal("."), digit}) : digit);
    }
    const GrammarPiece piece = b_.Choice(std::move(ways));
    if (free) free_.emplace(key, piece);
    return piece;
  }

  GrammarPiece NextDigit(int at, bool above, bool below, int64_t r) {
    const auto i = static_cast<size_t>(at);
    const char first = above ? low_[i] : '0', last = below ? high_[i] : '9';
    std::vector<GrammarPiece> ways;
    for (char c = first; c <= last; ++c) {
      ways.push_back(
          b_.Sequence({b_.Literal(std::string_view(&c, 1)),
                       From(at + 1, above && c == first, below && c == last, (10 * r + (c - '0')) % step_.multiple)}));
    }
    return b_.Choice(std::move(ways));
  }

  bool Divides(int64_t r, int zeros) const {
    for (; zeros > 0; --zeros) r = 10 * r % step_.multiple;
    return r == 0;
  }

  GrammarBuilder& b_;
  const NumberStep step_;
  std::string low_, high_;  // digits, the last `step_.digits` of them behind the point
  int integer_digits_ = 0;
  std::map<std::tuple<int, int, int64_t>, GrammarPiece> free_;  // by digits before the point (-1: behind it), all, r
};

}  // namespace

NumberStep NumberStep::Of(Wide units) {
  int digits = kFractionDigits;
  for (; digits > 0 && units % 10 == 0; --digits) units /= 10;
  return {static_cast<int64_t>(std::min<Wide>(units, INT64_MAX)), digits};
}

bool IsJsonNumber(const Json& value) { return value.is_number() || IsBigInteger(value); }

NumberUnits UnitsOfNumber(const Json& number) {
  const std::string text = DumpJson(number);  // the shortest spelling: -12, 1.5, 1e+20, 1.5e-07
  const size_t e = text.find('e');
  int exponent = e == std::string::npos ? 0 : std::stoi(text.substr(e + 1));
  std::string digits;
  bool behind_point = false;
  for (const char c : text.substr(0, e)) {
    if (c == '.') behind_point = true;
    if (c < '0' || c > '9') continue;
    digits += c;
    exponent -= behind_point;
  }
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  const bool negative = text[0] == '-';
  const auto signed_floor = [&](Wide magnitude, bool exact) {
    return NumberUnits{negative ? -magnitude - (exact ? 0 : 1) : magnitude, exact};
  };
  exponent += kFractionDigits;
  if (digits == "0") return {0, true};
  if (static_cast<int>(digits.size()) + exponent > kIntegerDigits + kFractionDigits) {
    return signed_floor(kLargest + 1, true);
  }
  Wide magnitude = 0;
  bool exact = true;
  const int kept = static_cast<int>(digits.size()) + std::min(exponent, 0);
  for (int i = 0; i < static_cast<int>(digits.size()); ++i) {
    if (i < kept) {
      magnitude = magnitude * 10 + (digits[static_cast<size_t>(i)] - '0');
    } else {
      exact &= digits[static_cast<size_t>(i)] == '0';
    }
  }
  if (exponent > 0) magnitude *= PowerOfTen(exponent);
  return signed_floor(magnitude, exact);
}

GrammarPiece NumbersBetween(GrammarBuilder& builder, Wide low, Wide high, NumberStep step) {
  const Wide unit = step.units();
  low = Ceil(std::max(low, -kLargest), unit);
  high = Floor(std::min(high, kLargest), unit);
  Ranges ranges(builder);
  Multiples multiples(builder, step);
  const auto between = [&](Wide from, Wide to) {
    return step.multiple == 1 ? ranges.Between(from, to, step.digits) : multiples.Between(from, to);
  };
  std::vector<GrammarPiece> ways;
  if (low < 0 && low <= high) {
    ways.push_back(builder.Sequence({builder.Literal("-"), between(std::max(unit, -high), -low)}));
  }
  if (high >= 0 && low <= high) ways.push_back(between(std::max(low, Wide{0}), high));
  return builder.Choice(std::move(ways));
}

}  // namespace fulgur
