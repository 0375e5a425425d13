#include "serve/response_store.h"

#include <utility>
#include <vector>

#include "base/json_as_given.h"

namespace fulgur {

void ResponseStore::Erase(Entries::iterator entry) {
  bytes_ -= entry->bytes();
  by_id_.erase(entry->id);
  entries_.erase(entry);
}

void ResponseStore::Use(const std::string& id) {
  for (auto it = by_id_.find(id); it != by_id_.end(); it = by_id_.find(it->second->previous)) {
    entries_.splice(entries_.begin(), entries_, it->second);
  }
}

void ResponseStore::Put(const std::string& previous, const Json& input, const Json& response) {
  Entry entry{response["id"].get<std::string>(), previous, DumpJson(input), DumpJson(response)};
  const std::lock_guard lock(mutex_);
  if (const auto same = by_id_.find(entry.id); same != by_id_.end()) Erase(same->second);
  bytes_ += entry.bytes();
  const std::string id = entry.id;
  entries_.push_front(std::move(entry));
  by_id_[id] = entries_.begin();
  Use(id);
  while (bytes_ > most_bytes_) Erase(std::prev(entries_.end()));
}

std::optional<Json> ResponseStore::Items(const std::string& id) {
  std::vector<std::pair<std::string, std::string>> turns;  // input and response, last first
  {
    const std::lock_guard lock(mutex_);
    for (std::string at = id; !at.empty();) {
      const auto it = by_id_.find(at);
      if (it == by_id_.end()) return std::nullopt;
      turns.emplace_back(it->second->input, it->second->response);
      at = it->second->previous;
    }
    Use(id);
  }
  Json items = Json::array();
  for (auto turn = turns.rbegin(); turn != turns.rend(); ++turn) {
    Json input = ParseJsonAsGiven(turn->first, "a stored input");
    Json response = ParseJsonAsGiven(turn->second, "a stored response");
    for (Json& item : input) items.push_back(std::move(item));
    for (Json& item : response["output"]) items.push_back(std::move(item));
  }
  return items;
}

std::optional<Json> ResponseStore::Response(const std::string& id) {
  std::string text;
  {
    const std::lock_guard lock(mutex_);
    const auto it = by_id_.find(id);
    if (it == by_id_.end()) return std::nullopt;
    text = it->second->response;
    Use(id);
  }
  return ParseJsonAsGiven(text, "a stored response");
}

std::optional<Json> ResponseStore::Item(const std::string& id) {
  // An item's id has the response's in it: msg_ID_0 is of resp_ID.
  const size_t begin = id.find('_'), end = id.rfind('_');
  if (begin == std::string::npos || begin == end) return std::nullopt;
  const std::optional<Json> response = Response("resp_" + id.substr(begin + 1, end - begin - 1));
  if (!response) return std::nullopt;
  for (const Json& item : (*response)["output"]) {
    if (item["id"] == id) return item;
  }
  return std::nullopt;
}

bool ResponseStore::Remove(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return false;
  Erase(it->second);
  return true;
}

}  // namespace fulgur
