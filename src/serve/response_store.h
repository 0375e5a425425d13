// Recent responses of /v1/responses in memory, for previous_response_id and item_reference. Thread-safe.
#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/json.h"

namespace fulgur {

class ResponseStore {
 public:
  // Keeps at most so many bytes of JSON text. What was used last stays longest; a use of a response is one of all that
  // it goes back to.
  explicit ResponseStore(size_t bytes) : most_bytes_(bytes) {}

  // previous: the id of the response that it goes on from, or empty. input: the items that came with its request.
  // response: as it was sent, with "id" and "output".
  void Put(const std::string& previous, const Json& input, const Json& response);

  // All items of the conversation up to the response and with it, oldest first. Null if it, or one before it, is not
  // kept.
  std::optional<Json> Items(const std::string& id);
  // An item of an output, by the item's id.
  std::optional<Json> Item(const std::string& id);
  std::optional<Json> Response(const std::string& id);
  bool Remove(const std::string& id);

 private:
  struct Entry {
    std::string id, previous, input, response;  // the last two are JSON texts
    size_t bytes() const { return id.size() + previous.size() + input.size() + response.size(); }
  };
  using Entries = std::list<Entry>;

  void Use(const std::string& id);  // moves it and what it goes back to to the front
  void Erase(Entries::iterator entry);

  const size_t most_bytes_;
  std::mutex mutex_;
  size_t bytes_ = 0;
  Entries entries_;  // last used first
  std::unordered_map<std::string, Entries::iterator> by_id_;
};

}  // namespace fulgur
