// The tools of both domains by name.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"

namespace fulgur::tau {

// What Python raises inside a tool; the conversation goes on with "Error: <text>".
struct PythonError {
  std::string text;
};

struct Tool {
  std::vector<std::string> parameters;
  std::string (*invoke)(Json& database, const Json& kwargs);
};
using Tools = std::map<std::string, Tool>;

Tools AirlineTools();               // airline_tools.cc
Tools RetailTools();                // retail_tools.cc
void AddCommonTools(Tools* tools);  // calculate, think, transfer_to_human_agents

// --- Python's operations on values, for the tools.

// dict[key]; a missing key raises KeyError.
Json& At(Json& dict, const Json& key);
const Json& At(const Json& dict, const Json& key);
bool Has(const Json& dict, const Json& key);  // key in dict
bool Truth(const Json& value);
std::string Str(const Json& value);  // str(value)
Json Add(const Json& a, const Json& b);
Json Subtract(const Json& a, const Json& b);
Json Multiply(const Json& a, const Json& b);
bool Less(const Json& a, const Json& b);
Json Round2(const Json& number);  // round(number, 2)
size_t Count(const Json& list, const Json& item);
Json Sorted(const Json& list);
// Items of a list or dict's keys; what is neither raises TypeError.
const Json& List(const Json& value);

}  // namespace fulgur::tau
