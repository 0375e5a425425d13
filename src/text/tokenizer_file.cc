#include "text/tokenizer_file.h"

#include "base/error.h"

namespace fulgur {
namespace {

// The two long parts of the file, model.vocab and model.merges, go straight into vectors: as JSON values of an ordered
// object, 200,000 keys would take minutes.
class FileReader : public nlohmann::json_sax<Json> {
 public:
  explicit FileReader(const std::string& where) : where_(where) {}

  TokenizerFile file;

  bool null() override { return Value(nullptr); }
  bool boolean(bool value) override { return Value(value); }
  bool number_integer(number_integer_t value) override { return Integer(value); }
  bool number_unsigned(number_unsigned_t value) override {
    return value <= INT64_MAX ? Integer(static_cast<int64_t>(value)) : Value(value);
  }
  bool number_float(number_float_t value, const string_t&) override { return Value(value); }
  bool string(string_t& value) override {
    if (part_ == Part::kMerges) {
      AddMerge(value);
      return true;
    }
    if (part_ == Part::kMergePair) {
      pair_.push_back(std::move(value));
      return true;
    }
    return Value(std::move(value));
  }
  bool binary(binary_t&) override { return Value(nullptr); }

  bool start_object(std::size_t) override {
    if (part_ == Part::kNone && AtModelKey("vocab")) {
      part_ = Part::kVocab;
      file.has_vocab = true;
      return true;
    }
    return Open(Json::object());
  }
  bool key(string_t& value) override {
    key_ = std::move(value);
    if (part_ == Part::kNone && open_.back()->contains(key_)) {
      throw Error("{}: key \"{}\" appears twice in one JSON object", where_, key_);
    }
    return true;
  }
  bool end_object() override { return Close(); }

  bool start_array(std::size_t) override {
    if (part_ == Part::kNone && AtModelKey("merges")) {
      part_ = Part::kMerges;
      file.has_merges = true;
      return true;
    }
    if (part_ == Part::kMerges) {
      part_ = Part::kMergePair;
      pair_.clear();
      return true;
    }
    return Open(Json::array());
  }
  bool end_array() override {
    if (part_ == Part::kMergePair) {
      if (pair_.size() != 2) {
        throw Error("{}: model.merges[{}] has {} tokens, expected 2", where_, file.merges.size(), pair_.size());
      }
      file.merges.emplace_back(std::move(pair_[0]), std::move(pair_[1]));
      part_ = Part::kMerges;
      return true;
    }
    return Close();
  }

  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& e) override {
    throw Error("{}: not valid JSON: {}", where_, e.what());
  }

 private:
  enum class Part { kNone, kVocab, kMerges, kMergePair };

  bool AtModelKey(const char* name) const { return open_.size() == 2 && key_ == name && model_ == open_.back(); }

  // Puts a value where the parser stands.
  Json* Put(Json value) {
    if (part_ == Part::kVocab) throw Error("{}: model.vocab[\"{}\"] must be an integer id", where_, key_);
    if (part_ != Part::kNone) {
      throw Error("{}: model.merges[{}] must be \"a b\" or [\"a\", \"b\"]", where_, file.merges.size());
    }
    if (open_.empty()) {
      file.root = std::move(value);
      return &file.root;
    }
    Json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    Json& place = parent[key_];
    place = std::move(value);
    if (open_.size() == 1 && key_ == "model") model_ = &place;
    return &place;
  }
  bool Value(Json value) {
    Put(std::move(value));
    return true;
  }
  bool Integer(int64_t value) {
    if (part_ != Part::kVocab) return Value(value);
    file.vocab.emplace_back(std::move(key_), value);
    return true;
  }
  bool Open(Json value) {
    if (open_.size() >= 64) throw Error("{}: JSON nested deeper than 64 levels", where_);
    open_.push_back(Put(std::move(value)));
    return true;
  }
  bool Close() {
    if (part_ == Part::kNone) {
      open_.pop_back();
    } else {
      part_ = Part::kNone;
    }
    return true;
  }
  void AddMerge(const std::string& text) {
    if (text.starts_with("#version")) return;
    const size_t space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
      throw Error("{}: model.merges[{}] is \"{}\", expected two tokens with one space between", where_,
                  file.merges.size(), text);
    }
    file.merges.emplace_back(text.substr(0, space), text.substr(space + 1));
  }

  const std::string& where_;
  Part part_ = Part::kNone;
  std::vector<Json*> open_;
  Json* model_ = nullptr;
  std::string key_;
  std::vector<std::string> pair_;
};

std::vector<const Json*> Flatten(const Json* value, const char* list, const std::string& where, int depth) {
  if (value == nullptr) return {};
  if (ComponentType(*value, where) != "Sequence") return {value};
  if (depth > 8) throw Error("{}: sequences nested deeper than 8 levels", where);
  const Json* members = Member(*value, list);
  if (members == nullptr || !members->is_array()) throw Error("{}: \"{}\" must be a list", where, list);
  std::vector<const Json*> all;
  for (const Json& member : *members) {
    const auto inner = Flatten(&member, list, where, depth + 1);
    all.insert(all.end(), inner.begin(), inner.end());
  }
  return all;
}

}  // namespace

TokenizerFile TokenizerFile::Read(std::string_view json, const std::string& where) {
  FileReader reader(where);
  Json::sax_parse(json.begin(), json.end(), &reader);
  if (!reader.file.root.is_object()) {
    throw Error("{}: expected a JSON object, as Hugging Face tokenizers writes it", where);
  }
  return std::move(reader.file);
}

const Json* Member(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

std::vector<const Json*> Components(const Json* value, const char* list, const std::string& where) {
  return Flatten(value, list, where, 0);
}

std::string ComponentType(const Json& component, const std::string& where) {
  return JsonGet<std::string>(component, "type", where);
}

ComponentPattern PatternOf(const Json& component, const std::string& where) {
  const Json* pattern = Member(component, "pattern");
  if (pattern == nullptr) throw Error("{}: there is no \"pattern\"", where);
  const bool regex = pattern->is_object() && pattern->contains("Regex");
  return {JsonGet<std::string>(*pattern, regex ? "Regex" : "String", where), regex};
}

}  // namespace fulgur
