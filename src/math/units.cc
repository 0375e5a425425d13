#include "math/units.h"

#include <array>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ascii.h"

namespace fulgur {
namespace {

// By dimension; the number is the size in base units. Units whose sizes depend on the place (ton, gallon) are
// dimensions of their own.
struct Row {
  const char* name;
  Unit unit;
};
constexpr Row kRows[] = {
    {"mm", {"length", 1, 1000}},
    {"millimeter", {"length", 1, 1000}},
    {"millimetre", {"length", 1, 1000}},
    {"cm", {"length", 1, 100}},
    {"centimeter", {"length", 1, 100}},
    {"centimetre", {"length", 1, 100}},
    {"dm", {"length", 1, 10}},
    {"m", {"length", 1, 1}},
    {"meter", {"length", 1, 1}},
    {"metre", {"length", 1, 1}},
    {"km", {"length", 1000, 1}},
    {"kilometer", {"length", 1000, 1}},
    {"kilometre", {"length", 1000, 1}},
    {"inch", {"length", 254, 10000}},
    {"inches", {"length", 254, 10000}},
    {"in", {"length", 254, 10000}},
    {"foot", {"length", 3048, 10000}},
    {"feet", {"length", 3048, 10000}},
    {"ft", {"length", 3048, 10000}},
    {"yard", {"length", 9144, 10000}},
    {"yd", {"length", 9144, 10000}},
    {"mile", {"length", 1609344, 1000}},
    {"mi", {"length", 1609344, 1000}},
    {"nm", {"length", 1, 1000000000}},
    {"nanometer", {"length", 1, 1000000000}},
    {"micrometer", {"length", 1, 1000000}},
    {"micron", {"length", 1, 1000000}},
    {"decimeter", {"length", 1, 10}},
    {"decimetre", {"length", 1, 10}},
    {"mph", {"speed", 1609344, 3600000}},
    {"kph", {"speed", 1000, 3600}},
    {"kmph", {"speed", 1000, 3600}},
    {"mg", {"mass", 1, 1000000}},
    {"g", {"mass", 1, 1000}},
    {"gram", {"mass", 1, 1000}},
    {"kg", {"mass", 1, 1}},
    {"kilogram", {"mass", 1, 1}},
    {"tonne", {"mass", 1000, 1}},
    {"milligram", {"mass", 1, 1000000}},
    {"ton", {"ton", 1, 1}},
    {"lb", {"pound", 1, 1}},
    {"lbs", {"pound", 1, 1}},
    {"pound", {"pound", 1, 1}},
    {"oz", {"ounce", 1, 1}},
    {"ounce", {"ounce", 1, 1}},
    {"ounces", {"ounce", 1, 1}},
    {"s", {"time", 1, 1}},
    {"sec", {"time", 1, 1}},
    {"second", {"time", 1, 1}},
    {"min", {"time", 60, 1}},
    {"minute", {"time", 60, 1}},
    {"h", {"time", 3600, 1}},
    {"hr", {"time", 3600, 1}},
    {"hour", {"time", 3600, 1}},
    {"day", {"time", 86400, 1}},
    {"week", {"time", 604800, 1}},
    {"ms", {"time", 1, 1000}},
    {"millisecond", {"time", 1, 1000}},
    {"hrs", {"time", 3600, 1}},
    {"mins", {"time", 60, 1}},
    {"secs", {"time", 1, 1}},
    {"fortnight", {"time", 1209600, 1}},
    {"month", {"month", 1, 1}},
    {"year", {"month", 12, 1}},
    {"yr", {"month", 12, 1}},
    {"decade", {"month", 120, 1}},
    {"century", {"month", 1200, 1}},
    {"centuries", {"month", 1200, 1}},
    {"ml", {"volume", 1, 1000}},
    {"mL", {"volume", 1, 1000}},
    {"milliliter", {"volume", 1, 1000}},
    {"l", {"volume", 1, 1}},
    {"L", {"volume", 1, 1}},
    {"liter", {"volume", 1, 1}},
    {"litre", {"volume", 1, 1}},
    {"dl", {"volume", 1, 10}},
    {"cl", {"volume", 1, 100}},
    {"deciliter", {"volume", 1, 10}},
    {"centiliter", {"volume", 1, 100}},
    {"millilitre", {"volume", 1, 1000}},
    {"cc", {"volume", 1, 1000}},
    {"liters", {"volume", 1, 1}},
    {"gallon", {"gallon", 1, 1}},
    {"gal", {"gallon", 1, 1}},
    {"cup", {"cup", 1, 1}},
    {"quart", {"quart", 1, 1}},
    {"pint", {"pint", 1, 1}},
    {"dollar", {"money", 1, 1}},
    {"usd", {"money", 1, 1}},
    {"cent", {"money", 1, 100}},
    {"USD", {"money", 1, 1}},
    {"penny", {"money", 1, 100}},
    {"pennies", {"money", 1, 100}},
    {"buck", {"money", 1, 1}},
    {"euro", {"euro", 1, 1}},
    {"rad", {"angle", 1, 1}},
    {"radian", {"angle", 1, 1}},
    {"N", {"force", 1, 1}},
    {"newton", {"force", 1, 1}},
    {"kN", {"force", 1000, 1}},
    {"J", {"energy", 1, 1}},
    {"joule", {"energy", 1, 1}},
    {"kJ", {"energy", 1000, 1}},
    {"mJ", {"energy", 1, 1000}},
    {"MJ", {"energy", 1000000, 1}},
    {"kilojoule", {"energy", 1000, 1}},
    {"W", {"power", 1, 1}},
    {"watt", {"power", 1, 1}},
    {"kW", {"power", 1000, 1}},
    {"MW", {"power", 1000000, 1}},
    {"mW", {"power", 1, 1000}},
    {"kilowatt", {"power", 1000, 1}},
    {"megawatt", {"power", 1000000, 1}},
    {"Hz", {"frequency", 1, 1}},
    {"kHz", {"frequency", 1000, 1}},
    {"hertz", {"frequency", 1, 1}},
    {"MHz", {"frequency", 1000000, 1}},
    {"GHz", {"frequency", 1000000000, 1}},
    {"V", {"voltage", 1, 1}},
    {"volt", {"voltage", 1, 1}},
    {"kV", {"voltage", 1000, 1}},
    {"mV", {"voltage", 1, 1000}},
    {"ohm", {"resistance", 1, 1}},
    {"K", {"temperature", 1, 1}},
    {"kelvin", {"temperature", 1, 1}},
    {"mol", {"amount", 1, 1}},
    {"mole", {"amount", 1, 1}},
    {"mmol", {"amount", 1, 1000}},
    {"Pa", {"pressure", 1, 1}},
    {"kPa", {"pressure", 1000, 1}},
    {"pascal", {"pressure", 1, 1}},
    {"rod", {"rod", 1, 1}},
    {"hectare", {"hectare", 1, 1}},
    {"ha", {"hectare", 1, 1}},
    {"acre", {"acre", 1, 1}},
    {"stone", {"stone", 1, 1}},
    {"rupee", {"rupee", 1, 1}},
    {"yuan", {"yuan", 1, 1}},
    {"yen", {"yen", 1, 1}},
    {"pence", {"pence", 1, 1}},
    {"calorie", {"calorie", 1, 1}},
    {"cal", {"calorie", 1, 1}},
    {"kcal", {"calorie", 1000, 1}},
    {"eV", {"electronvolt", 1, 1}},
    {"ampere", {"current", 1, 1}},
    {"amp", {"current", 1, 1}},
    {"mA", {"current", 1, 1000}},
    {"coulomb", {"charge", 1, 1}},
    {"celsius", {"celsius", 1, 1}},
    {"fahrenheit", {"fahrenheit", 1, 1}},
    {"atm", {"atmosphere", 1, 1}},
    {"bit", {"bit", 1, 1}},
    {"byte", {"bit", 8, 1}},
    {"kilobyte", {"kilobyte", 1, 1}},
    {"KB", {"kilobyte", 1, 1}},
    {"kB", {"kilobyte", 1, 1}},
    {"megabyte", {"megabyte", 1, 1}},
    {"MB", {"megabyte", 1, 1}},
    {"gigabyte", {"gigabyte", 1, 1}},
    {"GB", {"gigabyte", 1, 1}},
    {"terabyte", {"terabyte", 1, 1}},
    {"TB", {"terabyte", 1, 1}},
    {"tablespoon", {"tablespoon", 1, 1}},
    {"teaspoon", {"teaspoon", 1, 1}},
    {"knot", {"knot", 1, 1}},
};

const std::unordered_map<std::string_view, Unit>& Table() {
  static const auto* table = [] {
    auto* rows = new std::unordered_map<std::string_view, Unit>;
    for (const Row& row : kRows) rows->emplace(row.name, row.unit);
    return rows;
  }();
  return *table;
}

}  // namespace

const Unit* FindUnit(std::string_view name) {
  const auto& table = Table();
  if (const auto unit = table.find(name); unit != table.end()) return &unit->second;
  std::string lower(name);
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  if (lower.size() > 2) {
    if (const auto unit = table.find(lower); unit != table.end()) return &unit->second;
  }
  if (lower.size() > 3 && lower.back() == 's') {
    lower.pop_back();
    if (const auto unit = table.find(lower); unit != table.end()) return &unit->second;
  }
  return nullptr;
}

Quantity ReadUnits(std::string_view text) {
  Quantity quantity;
  quantity.factor = 1;
  std::map<std::string, long> powers;
  long sign = 1, next_power = 1;
  bool any = false;
  for (size_t i = 0; i < text.size();) {
    if (!IsLetter(text[i])) {
      if (text[i] == '/') sign = -1;
      ++i;
      continue;
    }
    size_t end = i;
    while (end < text.size() && IsLetter(text[end])) ++end;
    const std::string_view word = text.substr(i, end - i);
    i = end;
    if (word == "per") {
      sign = -1;
      continue;
    }
    if (word == "square" || word == "sq" || word == "cubic" || word == "cu") {
      next_power = word[0] == 's' ? 2 : 3;
      continue;
    }
    if (word == "unit" || word == "units") {
      any = true;  // fits every dimension
      quantity.dimension = "?";
      continue;
    }
    if (word == "degree" || word == "degrees") continue;  // of Celsius; angles are no units
    const Unit* unit = FindUnit(word);
    if (unit == nullptr) return {};
    any = true;
    long power = next_power;
    next_power = 1;
    for (const std::string_view behind : {" squared", " cubed"}) {
      if (text.substr(i, behind.size()) != behind) continue;
      power = behind == " squared" ? 2 : 3;
      i += behind.size();
    }
    size_t digit = i;
    while (digit < text.size() && (text[digit] == '^' || text[digit] == '{' || text[digit] == ' ')) ++digit;
    if (digit < text.size() && text[digit] >= '2' && text[digit] <= '4' && digit > i) {
      power = text[digit] - '0';
      i = digit + 1;
    }
    if (std::string_view(unit->dimension) == "speed") {
      powers["length"] += sign * power;
      powers["time"] -= sign * power;
    } else {
      powers[unit->dimension] += sign * power;
    }
    for (long k = 0; k < power; ++k) {
      Rational size(unit->numerator, unit->denominator);
      size.canonicalize();
      if (sign > 0) {
        quantity.factor *= size;
      } else {
        quantity.factor /= size;
      }
    }
  }
  if (!any) return {};
  if (quantity.dimension == "?") return {};
  for (const auto& [dimension, power] : powers) quantity.dimension += dimension + "^" + std::to_string(power) + " ";
  quantity.known = true;
  return quantity;
}

}  // namespace fulgur
