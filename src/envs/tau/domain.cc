#include "envs/tau/domain.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/records.h"
#include "envs/tau/tools.h"
#include "jinja/value.h"
#include "text/python_text.h"

namespace fulgur::tau {

namespace {

const Tools& ToolsOf(const std::string& env) {
  static const Tools airline = AirlineTools(), retail = RetailTools();
  return env == "airline" ? airline : retail;
}

// What Python says of a call's arguments, if they are wrong.
std::string WrongArguments(const std::string& name, const std::vector<std::string>& parameters, const Json& kwargs) {
  std::string type;  // the tool's class: book_reservation is BookReservation
  for (const std::string_view word : python::Split(name, "_")) {
    type += python::Upper(word.substr(0, 1));
    type += word.substr(1);
  }
  for (const auto& [key, value] : kwargs.items()) {
    if (std::find(parameters.begin(), parameters.end(), key) == parameters.end()) {
      return fmt::format("{}.invoke() got an unexpected keyword argument '{}'", type, key);
    }
  }
  std::vector<std::string> missing;
  for (const std::string& parameter : parameters) {
    if (!kwargs.contains(parameter)) missing.push_back("'" + parameter + "'");
  }
  if (missing.empty()) return "";
  std::string names = missing[0];
  for (size_t i = 1; i < missing.size(); ++i) {
    names += (i + 1 < missing.size() ? ", " : missing.size() > 2 ? ", and " : " and ") + missing[i];
  }
  return fmt::format("{}.invoke() missing {} required positional argument{}: {}", type, missing.size(),
                     missing.size() > 1 ? "s" : "", names);
}

// str() of the value with dicts as tuples of their sorted items, and lists as tuples.
void AppendTuples(const Json& value, std::string* out) {
  const auto tuple = [&](size_t size, const auto& item) {
    *out += '(';
    for (size_t i = 0; i < size; ++i) {
      if (i > 0) *out += ", ";
      item(i);
    }
    *out += size == 1 ? ",)" : ")";
  };
  if (value.is_object()) {
    std::vector<std::pair<std::string_view, const Json*>> items;
    for (const auto& [key, member] : value.items()) items.emplace_back(key, &member);
    std::sort(items.begin(), items.end());
    tuple(items.size(), [&](size_t i) {
      *out += "(" + jinja::StringRepr(items[i].first) + ", ";
      AppendTuples(*items[i].second, out);
      *out += ')';
    });
  } else if (value.is_array()) {
    tuple(value.size(), [&](size_t i) { AppendTuples(value[i], out); });
  } else {
    *out += value.is_string() ? jinja::StringRepr(value.get_ref<const std::string&>()) : Str(value);
  }
}

Task ReadTask(const Json& line, const std::string& where) {
  Task task{JsonGet<std::string>(line, "user_id", where), JsonGet<std::string>(line, "instruction", where), {}, {}};
  if (!line.contains("actions") || !line["actions"].is_array()) throw Error("{}: no list \"actions\"", where);
  for (const Json& action : line["actions"]) {
    if (!action.is_object() || !action.contains("kwargs") || !action["kwargs"].is_object()) {
      throw Error("{}: an action has no object \"kwargs\"", where);
    }
    task.actions.push_back({JsonGet<std::string>(action, "name", where), action["kwargs"]});
  }
  if (line.contains("outputs") && !line["outputs"].is_null()) {
    for (const Json& output : line["outputs"]) {
      if (!output.is_string()) throw Error("{}: \"outputs\" has an entry that is no text", where);
      task.outputs.push_back(output.get<std::string>());
    }
  }
  return task;
}

}  // namespace

Domain::Domain(std::string env, const std::filesystem::path& folder, const std::string& split) : env_(std::move(env)) {
  std::vector<std::string> tables;
  if (env_ == "airline") {
    tables = {"flights", "reservations", "users"};
  } else if (env_ == "retail") {
    tables = {"orders", "products", "users"};
  } else {
    throw Error("there is no domain \"{}\" of TAU-bench; it must be airline or retail", env_);
  }
  fresh_ = Json::object();
  for (const std::string& table : tables) fresh_[table] = ReadJsonFile(folder / fmt::format("{}-{}.json", env_, table));
  const Records lines(folder / fmt::format("{}-tasks-{}.jsonl", env_, split), "instruction");
  for (size_t i = 0; i < lines.size(); ++i) tasks_.push_back(ReadTask(lines.Get(i), lines.Where(i)));
}

std::string Domain::Invoke(const std::string& tool, const Json& kwargs, Json* database) const {
  const Tools& tools = ToolsOf(env_);
  const auto found = tools.find(tool);
  if (found == tools.end()) return fmt::format("Unknown action {}", tool);
  if (!kwargs.is_object()) throw Error("the arguments of {} are no object", tool);
  if (const std::string wrong = WrongArguments(tool, found->second.parameters, kwargs); !wrong.empty()) {
    return "Error: " + wrong;
  }
  try {
    return found->second.invoke(*database, kwargs);
  } catch (const PythonError& e) {
    return "Error: " + e.text;
  }
}

std::string Sha256Hex(std::string_view bytes) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash;
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), hash.data());
  std::string hex;
  for (const unsigned char byte : hash) hex += fmt::format("{:02x}", byte);
  return hex;
}

std::string DatabaseHash(const Json& database) {
  std::string text;
  AppendTuples(database, &text);
  return Sha256Hex(text);
}

Reward ScoreActions(const Domain& domain, const Task& task, const std::vector<Action>& actions) {
  Reward reward;
  Json database = domain.fresh();
  std::vector<std::string> replies;
  for (const Action& action : actions) {
    if (action.name == kRespond) {
      const auto content = action.kwargs.find("content");
      if (content == action.kwargs.end() || !content->is_string()) throw Error("a reply has no text \"content\"");
      replies.push_back(python::Replace(python::Lower(content->get_ref<const std::string&>()), ",", ""));
    } else {
      domain.Invoke(action.name, action.kwargs, &database);
      if (action.name == kTransfer) break;
    }
  }
  reward.data_hash = DatabaseHash(database);
  database = domain.fresh();
  for (const Action& action : task.actions) {
    if (action.name != kRespond && action.name != kTransfer) domain.Invoke(action.name, action.kwargs, &database);
  }
  reward.gold_hash = DatabaseHash(database);
  reward.value = reward.data_hash == reward.gold_hash ? 1 : 0;
  for (const std::string& output : task.outputs) {
    const std::string wanted = python::Lower(output);
    const bool said = std::any_of(replies.begin(), replies.end(),
                                  [&](const std::string& reply) { return reply.find(wanted) != std::string::npos; });
    reward.outputs[output] = said;
    if (!said) reward.value = 0;
  }
  return reward;
}

}  // namespace fulgur::tau
