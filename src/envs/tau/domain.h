// TAU-bench (Yao et al. 2024): an airline and a shop, whose databases an agent changes by tools. The tools do to the
// official data what the official ones do, to the byte of what they answer.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"

namespace fulgur::tau {

// The name by which a reply to the user stands in a list of actions.
inline constexpr char kRespond[] = "respond";
// The tool that ends a conversation.
inline constexpr char kTransfer[] = "transfer_to_human_agents";

struct Action {
  std::string name;
  Json kwargs;  // an object
};

struct Task {
  std::string user_id, instruction;
  std::vector<Action> actions;       // of the gold solution
  std::vector<std::string> outputs;  // what has to be said to the user
};

// "airline" or "retail", of the files <env>-*.json in a folder.
class Domain {
 public:
  // Reads the database and, from <env>-tasks-<split>.jsonl, the tasks. Error that names the file.
  Domain(std::string env, const std::filesystem::path& folder, const std::string& split = "test");

  const std::string& env() const { return env_; }
  const Json& fresh() const { return fresh_; }
  const std::vector<Task>& tasks() const { return tasks_; }

  // What a tool answers, after it has changed the database. Also what Python would say of arguments that are wrong:
  // "Error: ...".
  std::string Invoke(const std::string& tool, const Json& kwargs, Json* database) const;

 private:
  std::string env_;
  Json fresh_;
  std::vector<Task> tasks_;
};

// SHA-256 of the database as Python prints its sorted nested tuples, in hexadecimal.
std::string DatabaseHash(const Json& database);
std::string Sha256Hex(std::string_view bytes);

struct Reward {
  double value = 0;  // 1 if the database is what the gold actions make of it and all outputs were said
  std::map<std::string, bool> outputs;
  std::string data_hash, gold_hash;
};
// Of a conversation's actions, in order; they end with the first kTransfer.
Reward ScoreActions(const Domain& domain, const Task& task, const std::vector<Action>& actions);

}  // namespace fulgur::tau
