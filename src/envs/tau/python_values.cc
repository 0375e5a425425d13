#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "envs/tau/tools.h"
#include "jinja/value.h"

namespace fulgur::tau {

namespace {

const char* TypeName(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "NoneType";
    case Json::value_t::boolean:
      return "bool";
    case Json::value_t::number_float:
      return "float";
    case Json::value_t::string:
      return "str";
    case Json::value_t::array:
      return "list";
    case Json::value_t::object:
      return "dict";
    default:
      return "int";
  }
}

std::string ReprText(const Json& value);

std::string ReprItems(const Json& list) {
  std::string out;
  for (const Json& item : list) out += (out.empty() ? "" : ", ") + ReprText(item);
  return out;
}

std::string ReprText(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "None";
    case Json::value_t::boolean:
      return value.get<bool>() ? "True" : "False";
    case Json::value_t::number_float:
      return jinja::FloatRepr(value.get<double>());
    case Json::value_t::string:
      return jinja::StringRepr(value.get_ref<const std::string&>());
    case Json::value_t::array:
      return "[" + ReprItems(value) + "]";
    case Json::value_t::object: {
      std::string out;
      for (const auto& [key, member] : value.items()) {
        out += (out.empty() ? "" : ", ") + jinja::StringRepr(key) + ": " + ReprText(member);
      }
      return "{" + out + "}";
    }
    default:
      return value.dump();
  }
}

bool IsInteger(const Json& value) { return value.is_number_integer() || value.is_boolean(); }

template <typename Operation>
Json Arithmetic(const Json& a, const Json& b, const char* sign, Operation operation) {
  const bool numbers = (a.is_number() || a.is_boolean()) && (b.is_number() || b.is_boolean());
  if (!numbers) {
    throw PythonError{fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", sign, TypeName(a), TypeName(b))};
  }
  const auto as_integer = [](const Json& v) {
    return v.is_boolean() ? static_cast<int64_t>(v.get<bool>()) : v.get<int64_t>();
  };
  const auto as_double = [](const Json& v) {
    return v.is_boolean() ? static_cast<double>(v.get<bool>()) : v.get<double>();
  };
  if (IsInteger(a) && IsInteger(b)) return operation(as_integer(a), as_integer(b));
  return operation(as_double(a), as_double(b));
}

const Json* Find(const Json& dict, const Json& key) {
  if (!dict.is_object()) throw PythonError{fmt::format("'{}' object is not subscriptable", TypeName(dict))};
  if (key.is_array() || key.is_object()) throw PythonError{fmt::format("unhashable type: '{}'", TypeName(key))};
  if (!key.is_string()) return nullptr;  // JSON has only texts as keys
  const auto found = dict.find(key.get_ref<const std::string&>());
  return found == dict.end() ? nullptr : &*found;
}

}  // namespace

const Json& At(const Json& dict, const Json& key) {
  const Json* found = Find(dict, key);
  if (found == nullptr) throw PythonError{ReprText(key)};
  return *found;
}

Json& At(Json& dict, const Json& key) { return const_cast<Json&>(At(static_cast<const Json&>(dict), key)); }

bool Has(const Json& dict, const Json& key) { return Find(dict, key) != nullptr; }

bool Truth(const Json& value) {
  if (value.is_null()) return false;
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value.get<double>() != 0;
  if (value.is_string()) return !value.get_ref<const std::string&>().empty();
  return !value.empty();
}

std::string Str(const Json& value) { return value.is_string() ? value.get<std::string>() : ReprText(value); }

Json Add(const Json& a, const Json& b) {
  return Arithmetic(a, b, "+", [](auto x, auto y) -> Json { return x + y; });
}
Json Subtract(const Json& a, const Json& b) {
  return Arithmetic(a, b, "-", [](auto x, auto y) -> Json { return x - y; });
}
Json Multiply(const Json& a, const Json& b) {
  return Arithmetic(a, b, "*", [](auto x, auto y) -> Json { return x * y; });
}

bool Less(const Json& a, const Json& b) {
  if (a.is_string() && b.is_string()) return a.get_ref<const std::string&>() < b.get_ref<const std::string&>();
  const bool numbers = (a.is_number() || a.is_boolean()) && (b.is_number() || b.is_boolean());
  if (!numbers) {
    throw PythonError{fmt::format("'<' not supported between instances of '{}' and '{}'", TypeName(a), TypeName(b))};
  }
  return Truth(Arithmetic(a, b, "<", [](auto x, auto y) -> Json { return x < y; }));
}

Json Round2(const Json& number) {
  if (!number.is_number_float()) return number;
  return std::strtod(fmt::format("{:.2f}", number.get<double>()).c_str(), nullptr);
}

size_t Count(const Json& list, const Json& item) {
  return static_cast<size_t>(std::count(list.begin(), list.end(), item));
}

Json Sorted(const Json& list) {
  std::vector<Json> items(List(list).begin(), List(list).end());
  std::stable_sort(items.begin(), items.end(), Less);
  return items;
}

const Json& List(const Json& value) {
  if (!value.is_array()) throw PythonError{fmt::format("'{}' object is not iterable", TypeName(value))};
  return value;
}

}  // namespace fulgur::tau
