#include "jinja/eval.h"

#include <algorithm>
#include <cctype>

#include "jinja/jinja.h"
#include "unicode/characters.h"

namespace fulgur::jinja {

using namespace unicode;

// ---- the variable `loop`

bool Loop::Pull(Value* item) {
  if (!ahead.empty()) {
    *item = std::move(ahead.front());
    ahead.pop_front();
    return true;
  }
  while (taken < source.size()) {
    const Value& candidate = source[taken++];
    if (condition != nullptr && !condition(candidate)) continue;
    *item = candidate;
    return true;
  }
  return false;
}

bool Loop::Peek() {
  Value item;
  if (!ahead.empty()) return true;
  if (!Pull(&item)) return false;
  ahead.push_back(std::move(item));
  return true;
}

int64_t Loop::CountAll() {
  std::deque<Value> rest;
  Value item;
  while (Pull(&item)) rest.push_back(item);
  ahead = std::move(rest);
  return index0 + 1 + static_cast<int64_t>(ahead.size());
}

// ---- guards

class Interp::Deeper {
 public:
  explicit Deeper(Interp* interp) : interp_(interp) {
    if (++interp_->depth_ > 1200) {
      --interp_->depth_;
      throw Error("RecursionError: the template's calls or expressions are nested too deeply");
    }
  }
  ~Deeper() { --interp_->depth_; }

 private:
  Interp* interp_;
};

// A new scope below `parent`, current until the end of the guard.
class Interp::ScopeGuard {
 public:
  ScopeGuard(Interp* interp, Scope* parent) : interp_(interp), saved_(interp->scope_) {
    interp_->scope_ = interp_->NewScope(parent);
  }
  ~ScopeGuard() {
    interp_->FreeScope(interp_->scope_);
    interp_->scope_ = saved_;
  }

 private:
  Interp* interp_;
  Scope* saved_;
};

class Interp::OutputGuard {
 public:
  OutputGuard(Interp* interp, Text* out) : interp_(interp), saved_(interp->out_) { interp_->out_ = out; }
  ~OutputGuard() { interp_->out_ = saved_; }

 private:
  Interp* interp_;
  Text* saved_;
};

Interp::Interp(int64_t max_work, const std::optional<std::tm>& now) : budget_(max_work), now_(now) {
  root_ = scope_ = NewScope(nullptr);
}

Interp::~Interp() {
  for (const auto& space : namespaces_) space->attributes.clear();
  for (Scope& scope : scopes_) scope.variables.clear();
}

std::tm Interp::Now() const {
  if (now_.has_value()) return *now_;
  const std::time_t now = std::time(nullptr);
  std::tm result{};
  localtime_r(&now, &result);
  return result;
}

Scope* Interp::NewScope(Scope* parent) {
  Scope* scope;
  if (free_scopes_.empty()) {
    budget_.Spend(8);
    scope = &scopes_.emplace_back();
  } else {
    scope = free_scopes_.back();
    free_scopes_.pop_back();
  }
  scope->parent = parent;
  return scope;
}

void Interp::FreeScope(Scope* scope) {
  if (scope->captured) return;
  scope->variables.clear();
  free_scopes_.push_back(scope);
}

Value Interp::MakeMacro(const Stmt& stmt) {
  budget_.Spend(8);
  for (Scope* scope = scope_; scope != nullptr && !scope->captured; scope = scope->parent) scope->captured = true;
  return Value(std::make_shared<Macro>(&stmt, scope_));
}

const Value* Interp::Find(std::string_view name) const {
  for (const Scope* scope = scope_; scope != nullptr; scope = scope->parent) {
    for (const auto& [key, value] : scope->variables) {
      if (key == name) return &value;
    }
  }
  return nullptr;
}

void Interp::Set(std::string_view name, Value value) {
  for (auto& [key, old] : scope_->variables) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  budget_.Spend(4);
  scope_->variables.emplace_back(name, std::move(value));
}

void Interp::SetVariable(std::string_view name, Value value) { root_->variables.emplace_back(name, std::move(value)); }

Text Interp::Run(const Block& block) {
  // The template's own names go to a scope of their own, so that the context's are found behind them.
  const ScopeGuard scope(this, root_);
  Text out;
  const OutputGuard output(this, &out);
  Exec(block);
  return out;
}

// ---- statements

Interp::Flow Interp::Exec(const Block& block) {
  const Deeper deeper(this);
  for (const auto& stmt : block) {
    const Flow flow = Exec(*stmt);
    if (flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

Interp::Flow Interp::Exec(const Stmt& stmt) {
  budget_.Spend(1);
  switch (stmt.kind) {
    case StmtKind::kText:
      budget_.SpendText(stmt.text.size());
      out_->Append(stmt.text);
      break;
    case StmtKind::kPrint:
      for (const ExprPtr& expr : stmt.exprs) Print(Eval(*expr));
      break;
    case StmtKind::kSet:
      Assign(*stmt.target, Eval(*stmt.exprs[0]));
      break;
    case StmtKind::kSetBlock:
      return ExecSetBlock(stmt);
    case StmtKind::kFor:
      return ExecFor(stmt, Eval(*stmt.exprs[0]), 0);
    case StmtKind::kIf:
      return ExecIf(stmt);
    case StmtKind::kMacro:
      Set(stmt.name, MakeMacro(stmt));
      break;
    case StmtKind::kCallBlock:
      ExecCallBlock(stmt);
      break;
    case StmtKind::kFilterBlock:
      return ExecFilterBlock(stmt);
    case StmtKind::kWith:
      return ExecWith(stmt);
    case StmtKind::kBlock:
      return ExecNamedBlock(stmt);
    case StmtKind::kScope:
    case StmtKind::kAutoescape:
      return ExecScope(stmt);
    case StmtKind::kBreak:
      return Flow::kBreak;
    case StmtKind::kContinue:
      return Flow::kContinue;
    case StmtKind::kImport:
      throw Error("line {}: {}: there is no other template to load here", stmt.line, stmt.name);
  }
  return Flow::kNormal;
}

void Interp::Print(const Value& value) {
  if (autoescape_ && !value.markup()) {
    out_->Append(EscapeHtml(ToText(value).str()));
    return;
  }
  const size_t before = out_->size();
  if (value.is_string()) {
    out_->Append(value.text());
  } else {
    out_->Append(ToText(value));
  }
  budget_.Spend(static_cast<int64_t>((out_->size() - before) / 16));
}

Interp::Flow Interp::ExecIf(const Stmt& stmt) {
  for (size_t i = 0; i < stmt.exprs.size(); ++i) {
    if (Truth(Eval(*stmt.exprs[i]))) return Exec(stmt.blocks[i]);
  }
  return Exec(stmt.otherwise);
}

Interp::Flow Interp::ExecFor(const Stmt& stmt, const Value& iterable, int64_t depth0) {
  auto loop = std::make_shared<Loop>();
  loop->source = Items(budget_, iterable);
  for (const Value& item : loop->source) loop->Contain(item);
  loop->depth0 = depth0;
  loop->node = &stmt;
  loop->scope = scope_;
  if (stmt.exprs[1] != nullptr) {
    Scope* const outer = scope_;
    loop->condition = [this, &stmt, outer](const Value& item) {
      const ScopeGuard scope(this, outer);
      Assign(*stmt.target, item);
      return Truth(Eval(*stmt.exprs[1]));
    };
  }
  // A template may keep the loop object; what it refers to is gone after this.
  struct Ended {
    Loop* loop;
    ~Ended() {
      loop->ended = true;
      loop->condition = nullptr;
      loop->changed.reset();
    }
  } const ended{loop.get()};

  Value item;
  bool completed = false;  // as in Jinja, `else` is for loops of which no turn came to its end
  while (loop->Pull(&item)) {
    budget_.Spend(2);
    loop->previous = std::move(loop->current);
    loop->current = item;
    ++loop->index0;
    const ScopeGuard scope(this, loop->scope);
    Set("loop", Value(loop));
    Assign(*stmt.target, std::move(item));
    const Flow flow = Exec(stmt.body);
    completed |= flow == Flow::kNormal;
    if (flow == Flow::kBreak) break;
  }
  if (completed) return Flow::kNormal;
  const ScopeGuard scope(this, loop->scope);
  return Exec(stmt.otherwise);
}

Interp::Flow Interp::ExecCaptured(const Block& block, Text* text) {
  const ScopeGuard scope(this, scope_);
  const OutputGuard output(this, text);
  return Exec(block);
}

Interp::Flow Interp::ExecSetBlock(const Stmt& stmt) {
  Text text;
  const Flow flow = ExecCaptured(stmt.body, &text);
  if (flow != Flow::kNormal) return flow;
  Value value(std::move(text), autoescape_);
  Assign(*stmt.target, stmt.exprs[0] != nullptr ? EvalFilter(*stmt.exprs[0], &value) : value);
  return Flow::kNormal;
}

Interp::Flow Interp::ExecFilterBlock(const Stmt& stmt) {
  Text text;
  const Flow flow = ExecCaptured(stmt.body, &text);
  if (flow != Flow::kNormal) return flow;
  const Value value(std::move(text), autoescape_);
  Print(EvalFilter(*stmt.exprs[0], &value));
  return Flow::kNormal;
}

Interp::Flow Interp::ExecWith(const Stmt& stmt) {
  std::vector<Value> values;
  for (const ExprPtr& expr : stmt.exprs) values.push_back(Eval(*expr));
  const ScopeGuard scope(this, scope_);
  for (size_t i = 0; i < values.size(); ++i) Assign(*stmt.parameters[i], std::move(values[i]));
  return Exec(stmt.body);
}

Interp::Flow Interp::ExecNamedBlock(const Stmt& stmt) {
  // A block sees the template's names, not those of the loop around it, unless it says so.
  Scope* top = scope_;
  while (!stmt.scoped && top->parent != root_ && top->parent != nullptr) top = top->parent;
  const ScopeGuard scope(this, top);
  return Exec(stmt.body);
}

Interp::Flow Interp::ExecScope(const Stmt& stmt) {
  struct Restore {
    bool* flag;
    bool saved;
    ~Restore() { *flag = saved; }
  } const restore{&autoescape_, autoescape_};
  const ScopeGuard scope(this, scope_);
  if (stmt.kind == StmtKind::kAutoescape) autoescape_ = Truth(Eval(*stmt.exprs[0]));
  return Exec(stmt.body);
}

void Interp::ExecCallBlock(const Stmt& stmt) {
  const Expr& call = *stmt.exprs[0];
  const Value function = Eval(*call.children[0]);
  Args args = EvalArgs(call.args.get());
  args.named.emplace_back("caller", MakeMacro(stmt));
  Print(Call(function, std::move(args)));
}

void Interp::Assign(const Expr& target, Value value) {
  switch (target.kind) {
    case ExprKind::kName:
      Set(target.name, std::move(value));
      return;
    case ExprKind::kNamespaceAttribute: {
      const Value* found = Find(target.name);
      if (found == nullptr) throw Error("UndefinedError: '{}' is undefined", target.name);
      if (!found->is(Type::kNamespace)) {
        throw Error("line {}: TemplateRuntimeError: cannot assign attribute on non-namespace object", target.line);
      }
      auto& attributes = found->as<Namespace>().attributes;
      const auto it = std::find_if(attributes.begin(), attributes.end(),
                                   [&](const auto& entry) { return entry.first == target.attribute; });
      if (it != attributes.end()) {
        it->second = std::move(value);
      } else {
        budget_.Spend(4);
        attributes.emplace_back(target.attribute, std::move(value));
      }
      return;
    }
    default: {
      std::vector<Value> items = Items(budget_, value);
      if (value.is_undefined() || items.size() != target.children.size()) {
        throw Error("line {}: ValueError: {} values to unpack, expected {}", target.line, items.size(),
                    target.children.size());
      }
      for (size_t i = 0; i < items.size(); ++i) Assign(*target.children[i], std::move(items[i]));
    }
  }
}

// ---- expressions

Value Interp::Eval(const Expr& expr) {
  const Deeper deeper(this);
  budget_.Spend(1);
  const auto child = [&](size_t i) -> const Expr& { return *expr.children[i]; };
  switch (expr.kind) {
    case ExprKind::kConst:
      return expr.value;
    case ExprKind::kName:
      return EvalName(expr);
    case ExprKind::kAttribute:
      return Attribute(Eval(child(0)), expr.name);
    case ExprKind::kItem:
      return EvalItem(expr);
    case ExprKind::kSlice:
      return EvalSlice(expr);
    case ExprKind::kCall:
      return EvalCall(expr);
    case ExprKind::kFilter:
      return EvalFilter(expr, nullptr);
    case ExprKind::kTest:
      return EvalTest(expr);
    case ExprKind::kList:
    case ExprKind::kTuple:
      return EvalSequence(expr);
    case ExprKind::kDict:
      return EvalDict(expr);
    case ExprKind::kNot:
      return Value(!Truth(Eval(child(0))));
    case ExprKind::kNegate:
      return Negate(Eval(child(0)));
    case ExprKind::kPlus: {
      Value value = Eval(child(0));
      return value.is_bool() || !value.is_number() ? Negate(Negate(value)) : value;
    }
    case ExprKind::kBinary: {
      const Value left = Eval(child(0));
      return Arithmetic(budget_, expr.binary, left, Eval(child(1)));
    }
    case ExprKind::kConcat:
      return EvalConcat(expr);
    case ExprKind::kCompare:
      return EvalCompare(expr);
    case ExprKind::kAnd: {
      Value left = Eval(child(0));
      return Truth(left) ? Eval(child(1)) : left;
    }
    case ExprKind::kOr: {
      Value left = Eval(child(0));
      return Truth(left) ? left : Eval(child(1));
    }
    case ExprKind::kCondition:
      return EvalCondition(expr);
    case ExprKind::kNamespaceAttribute:
      break;
  }
  throw Error("line {}: not an expression", expr.line);
}

Value Interp::EvalName(const Expr& expr) {
  if (const Value* found = Find(expr.name)) return *found;
  if (const Function::Body body = FindGlobal(expr.name)) {
    return Value(std::make_shared<Function>(expr.name, body));
  }
  return Value::MakeUndefined(fmt::format("'{}' is undefined", expr.name));
}

Value Interp::EvalItem(const Expr& expr) {
  const Value object = Eval(*expr.children[0]);
  return Item(object, Eval(*expr.children[1]));
}

Value Interp::EvalSlice(const Expr& expr) {
  const Value object = Eval(*expr.children[0]);
  Value parts[3];
  for (size_t i = 0; i < 3; ++i) {
    if (expr.children[i + 1] != nullptr) parts[i] = Eval(*expr.children[i + 1]);
  }
  if (object.is_undefined()) throw Error("UndefinedError: {}", object.undefined_message());
  const bool sliceable =
      object.is_string() || object.is(Type::kList) || object.is(Type::kTuple) || object.is(Type::kRange);
  if (!sliceable) throw Error("line {}: TypeError: '{}' object cannot be sliced", expr.line, TypeName(object));

  const int64_t length = Length(object);
  // A step beyond the end is as good as any longer one.
  const int64_t step = parts[2].is_none() ? 1 : std::clamp(ToIndex(parts[2], "slice step"), -(length + 1), length + 1);
  if (step == 0) throw Error("line {}: ValueError: slice step cannot be zero", expr.line);
  const auto bound = [&](const Value& part, int64_t fallback) {
    if (part.is_none()) return fallback;
    int64_t i = ToIndex(part, "slice index");
    if (i < 0) i += length;
    return step > 0 ? std::clamp<int64_t>(i, 0, length) : std::clamp<int64_t>(i, -1, length - 1);
  };
  const int64_t start = bound(parts[0], step > 0 ? 0 : length - 1);
  const int64_t stop = bound(parts[1], step > 0 ? length : -1);
  const int64_t stride = step > 0 ? step : -step;
  const int64_t span = step > 0 ? stop - start : start - stop;
  const int64_t count = span <= 0 ? 0 : (span - 1) / stride + 1;

  if (object.is(Type::kRange)) {
    const Range& range = object.as<Range>();
    return Value(
        std::make_shared<Range>(range.start + range.step * start, range.start + range.step * stop, range.step * step));
  }
  if (object.is_string() && step == 1) {
    budget_.SpendText(object.text().size());
    const size_t begin = ByteOffset(object.str(), static_cast<size_t>(start));
    const size_t end = ByteOffset(object.str(), static_cast<size_t>(std::max(start, stop)));
    return Value(object.text().Substr(begin, end), object.markup());
  }
  const std::vector<Value> all = Items(budget_, object);
  std::vector<Value> items;
  for (int64_t k = 0; k < count; ++k) items.push_back(all[static_cast<size_t>(start + k * step)]);
  if (object.is(Type::kList)) return MakeList(std::move(items));
  if (object.is(Type::kTuple)) return MakeTuple(std::move(items));
  Text text;
  for (const Value& item : items) text.Append(item.text());
  return Value(std::move(text), object.markup());
}

Args Interp::EvalArgs(const CallArgs* args) {
  Args out;
  if (args == nullptr) return out;
  for (const ExprPtr& expr : args->positional) out.positional.push_back(Eval(*expr));
  for (const auto& [name, expr] : args->named) out.named.emplace_back(name, Eval(*expr));
  if (args->more_positional != nullptr) {
    for (Value& value : Items(budget_, Eval(*args->more_positional))) out.positional.push_back(std::move(value));
  }
  if (args->more_named != nullptr) {
    const Value more = Eval(*args->more_named);
    if (!more.is(Type::kDict)) throw Error("TypeError: argument after ** must be a mapping, not {}", TypeName(more));
    for (const auto& [key, value] : more.as<Dict>().items) {
      if (!key.is_string()) throw Error("TypeError: keywords must be strings");
      for (const auto& named : out.named) {
        if (named.first == key.str())
          throw Error("TypeError: got multiple values for keyword argument '{}'", key.str());
      }
      out.named.emplace_back(key.str(), value);
    }
  }
  return out;
}

Value Interp::EvalCall(const Expr& expr) {
  const Value function = Eval(*expr.children[0]);
  return Call(function, EvalArgs(expr.args.get()));
}

Value Interp::EvalFilter(const Expr& expr, const Value* input) {
  const Deeper deeper(this);
  // The innermost filter of a chain over a block takes the block's text.
  Value value;
  if (expr.children[0] == nullptr) {
    value = *input;
  } else if (input != nullptr) {
    value = EvalFilter(*expr.children[0], input);
  } else {
    value = Eval(*expr.children[0]);
  }
  return Filter(expr.name, value, EvalArgs(expr.args.get()));
}

Value Interp::EvalTest(const Expr& expr) {
  const Value value = Eval(*expr.children[0]);
  return Value(Test(expr.name, value, EvalArgs(expr.args.get())));
}

Value Interp::EvalSequence(const Expr& expr) {
  std::vector<Value> items;
  items.reserve(expr.children.size());
  for (const ExprPtr& child : expr.children) items.push_back(Eval(*child));
  budget_.Spend(8 + static_cast<int64_t>(items.size()) * 2);
  return expr.kind == ExprKind::kList ? MakeList(std::move(items)) : MakeTuple(std::move(items));
}

Value Interp::EvalDict(const Expr& expr) {
  auto dict = std::make_shared<Dict>();
  budget_.Spend(8 + static_cast<int64_t>(expr.children.size()) * 4);
  for (size_t i = 0; i < expr.children.size(); i += 2) {
    const Value key = Eval(*expr.children[i]);
    dict->Set(budget_, key, Eval(*expr.children[i + 1]));
  }
  return Value(std::move(dict));
}

Value Interp::EvalConcat(const Expr& expr) {
  Text out;
  for (const ExprPtr& child : expr.children) out.Append(ToText(Eval(*child)));
  budget_.SpendText(out.size());
  return Value(std::move(out));
}

bool Interp::Compares(CompareOp op, const Value& a, const Value& b) {
  switch (op) {
    case CompareOp::kEq:
      return Equal(budget_, a, b);
    case CompareOp::kNe:
      return !Equal(budget_, a, b);
    case CompareOp::kLt:
      return Compare(budget_, a, b, "<") < 0;
    case CompareOp::kLe:
      return Compare(budget_, a, b, "<=") <= 0;
    case CompareOp::kGt:
      return Compare(budget_, a, b, ">") > 0;
    case CompareOp::kGe:
      return Compare(budget_, a, b, ">=") >= 0;
    case CompareOp::kIn:
      return Contains(budget_, b, a);
    case CompareOp::kNotIn:
      return !Contains(budget_, b, a);
  }
  return false;
}

Value Interp::EvalCompare(const Expr& expr) {
  Value left = Eval(*expr.children[0]);
  for (size_t i = 0; i < expr.compares.size(); ++i) {
    Value right = Eval(*expr.children[i + 1]);
    if (!Compares(expr.compares[i], left, right)) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Value Interp::EvalCondition(const Expr& expr) {
  if (Truth(Eval(*expr.children[0]))) return Eval(*expr.children[1]);
  if (expr.children[2] != nullptr) return Eval(*expr.children[2]);
  return Value::MakeUndefined(
      fmt::format("the inline if-expression on line {} evaluated to false and no else section was defined", expr.line));
}

// ---- lookups and calls

Value Interp::Attribute(const Value& object, const std::string& name) {
  if (object.is_undefined()) throw Error("UndefinedError: {}", object.undefined_message());
  if (object.is(Type::kLoop)) return LoopAttribute(object, name);
  if (object.is(Type::kNamespace)) {
    for (const auto& [key, value] : object.as<Namespace>().attributes) {
      if (key == name) return value;
    }
  }
  if (object.is(Type::kMacro) && name == "name") return Value::Str(object.as<Macro>().node->name, true);
  if (object.is(Type::kMacro) && (name == "catch_kwargs" || name == "catch_varargs" || name == "caller")) {
    const Stmt& node = *object.as<Macro>().node;
    return Value(name == "caller" ? node.uses_caller : name == "catch_kwargs" ? node.uses_kwargs : node.uses_varargs);
  }
  if (object.is(Type::kMacro) && name == "arguments") {
    std::vector<Value> names;
    for (const ExprPtr& parameter : object.as<Macro>().node->parameters)
      names.push_back(Value::Str(parameter->name, true));
    return MakeTuple(std::move(names));
  }
  if (object.is(Type::kTuple) && object.as<Sequence>().grouped && (name == "grouper" || name == "list")) {
    return object.as<Sequence>().items[name == "list" ? 1 : 0];
  }
  if (object.is(Type::kCycler) && name == "current") {
    return object.as<Cycler>().items[object.as<Cycler>().position];
  }
  bool forbidden = false;
  if (const Function::Body body = FindMethod(object, name, &forbidden)) {
    budget_.Spend(4);
    return Value(std::make_shared<Function>(name, body, object));
  }
  if (forbidden) {
    return Value::MakeUndefined(
        fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, TypeName(object)));
  }
  if (object.is(Type::kDict)) {
    if (const Value* found = object.as<Dict>().Find(budget_, Value::Str(name))) return *found;
  }
  if (object.is_none()) return Value::MakeUndefined(fmt::format("'None' has no attribute '{}'", name));
  return Value::MakeUndefined(fmt::format("'{} object' has no attribute '{}'", TypeName(object), name));
}

Value Interp::Item(const Value& object, const Value& key) {
  if (object.is_undefined()) throw Error("UndefinedError: {}", object.undefined_message());
  if (object.is(Type::kDict)) {
    if (Hashable(budget_, key)) {
      if (const Value* found = object.as<Dict>().Find(budget_, key)) return *found;
    }
  } else if (key.is_int()) {
    const bool indexable =
        object.is_string() || object.is(Type::kList) || object.is(Type::kTuple) || object.is(Type::kRange);
    if (indexable) {
      const int64_t length = Length(object);
      int64_t i = ToIndex(key, "index");
      if (i < 0) i += length;
      if (i >= 0 && i < length) {
        if (object.is(Type::kRange)) return object.as<Range>().At(i);
        if (!object.is_string()) return object.as<Sequence>().items[static_cast<size_t>(i)];
        budget_.SpendText(object.text().size());
        const size_t begin = ByteOffset(object.str(), static_cast<size_t>(i));
        size_t end = begin;
        DecodeAt(object.str(), &end);
        return Value(object.text().Substr(begin, end));
      }
    }
  }
  if (key.is_string()) {
    // Any string may name an attribute; but what a dictionary lacks is not looked up in it again.
    const Value found = Attribute(object, key.str());
    if (!found.is_undefined()) return found;
    return Value::MakeUndefined(fmt::format("'{} object' has no attribute '{}'", TypeName(object), key.str()));
  }
  return Value::MakeUndefined(fmt::format(
      "{} has no element {}", object.is_none() ? "None" : fmt::format("{} object", TypeName(object)), Repr(key)));
}

Value Interp::LoopAttribute(const Value& value, const std::string& name) {
  Loop& loop = value.as<Loop>();
  if (name == "index") return Value::Integer(loop.index0 + 1);
  if (name == "index0") return Value::Integer(loop.index0);
  if (name == "first") return Value(loop.index0 == 0);
  if (name == "last") return Value(!loop.Peek());
  if (name == "length") return Value::Integer(loop.CountAll());
  if (name == "revindex") return Value::Integer(loop.CountAll() - loop.index0);
  if (name == "revindex0") return Value::Integer(loop.CountAll() - loop.index0 - 1);
  if (name == "depth") return Value::Integer(loop.depth0 + 1);
  if (name == "depth0") return Value::Integer(loop.depth0);
  if (name == "previtem") {
    return loop.index0 > 0 ? loop.previous : Value::MakeUndefined("there is no previous item");
  }
  if (name == "nextitem") return loop.Peek() ? loop.ahead.front() : Value::MakeUndefined("there is no next item");
  if (name == "cycle") {
    return Value(std::make_shared<Function>(
        name,
        [](Interp&, const Value& self, Args& args) {
          if (args.positional.empty()) throw Error("TypeError: no items for cycling given");
          const auto index = static_cast<size_t>(std::max<int64_t>(0, self.as<Loop>().index0));
          return args.positional[index % args.positional.size()];
        },
        value));
  }
  if (name == "changed") {
    return Value(std::make_shared<Function>(
        name,
        [](Interp& interp, const Value& self, Args& args) {
          Loop& loop = self.as<Loop>();
          if (loop.ended) throw Error("loop.changed after the loop has ended");
          const bool same = loop.changed.has_value() && loop.changed->size() == args.positional.size() &&
                            std::equal(args.positional.begin(), args.positional.end(), loop.changed->begin(),
                                       [&](const Value& a, const Value& b) { return Equal(interp.budget(), a, b); });
          if (!same) loop.changed = args.positional;
          return Value(!same);
        },
        value));
  }
  return Value::MakeUndefined(fmt::format("'LoopContext object' has no attribute '{}'", name));
}

Value Interp::Call(const Value& function, Args args) {
  const Deeper deeper(this);
  switch (function.type()) {
    case Type::kFunction: {
      const Function& f = function.as<Function>();
      Value result = f.body(*this, f.self, args);
      budget_.SpendText((f.self.is_string() ? f.self.text().size() : 0) +
                        (result.is_string() ? result.text().size() : 0));
      return result;
    }
    case Type::kMacro:
      return CallMacro(function.as<Macro>(), std::move(args));
    case Type::kLoop:
      return CallLoop(function.as<Loop>(), std::move(args));
    case Type::kJoiner: {
      Joiner& joiner = function.as<Joiner>();
      if (joiner.used) return joiner.separator;
      joiner.used = true;
      return Value::Str("", true);
    }
    case Type::kUndefined:
      throw Error("UndefinedError: {}", function.undefined_message());
    default:
      throw Error("TypeError: '{}' object is not callable", TypeName(function));
  }
}

Value Interp::CallLoop(Loop& loop, Args args) {
  if (!loop.node->recursive) {
    throw Error("TypeError: The loop must have the 'recursive' marker to be called recursively.");
  }
  if (loop.ended) throw Error("loop() after the loop has ended");
  if (args.positional.size() != 1 || !args.named.empty()) throw Error("TypeError: loop() takes one argument");
  struct Restore {
    Scope** scope;
    Scope* saved;
    ~Restore() { *scope = saved; }
  } const restore{&scope_, scope_};
  scope_ = loop.scope;
  Text text;
  const OutputGuard output(this, &text);
  ExecFor(*loop.node, args.positional[0], loop.depth0 + 1);
  return Value(std::move(text), autoescape_);
}

Value Interp::CallMacro(const Macro& macro, Args args) {
  const Stmt& node = *macro.node;
  const auto take_named = [&](const std::string& name, Value* value) {
    const auto it =
        std::find_if(args.named.begin(), args.named.end(), [&](const auto& entry) { return entry.first == name; });
    if (it == args.named.end()) return false;
    *value = std::move(it->second);
    args.named.erase(it);
    return true;
  };
  const ScopeGuard scope(this, macro.closure);
  const size_t count = node.parameters.size();
  bool has_caller = false;
  // Defaults are evaluated after all arguments have been taken, in order, and may use the parameters before them.
  std::vector<size_t> missing;
  for (size_t i = 0; i < count; ++i) {
    const std::string& name = node.parameters[i]->name;
    has_caller |= name == "caller";
    Value value;
    if (i < args.positional.size()) {
      Set(name, args.positional[i]);
    } else if (take_named(name, &value)) {
      Set(name, std::move(value));
    } else {
      missing.push_back(i);
    }
  }
  if (node.uses_caller && !has_caller) {
    Value caller;
    if (!take_named("caller", &caller)) caller = Value::MakeUndefined("No caller defined");
    Set("caller", std::move(caller));
  }
  if (node.uses_kwargs) {
    auto kwargs = std::make_shared<Dict>();
    for (auto& [name, value] : args.named) kwargs->Set(budget_, Value::Str(name), std::move(value));
    Set("kwargs", Value(std::move(kwargs)));
  } else if (!args.named.empty()) {
    throw Error("TypeError: macro '{}' takes no keyword argument '{}'", node.name, args.named[0].first);
  }
  if (node.uses_varargs) {
    const size_t used = std::min(count, args.positional.size());
    Set("varargs", MakeTuple({args.positional.begin() + static_cast<std::ptrdiff_t>(used), args.positional.end()}));
  } else if (args.positional.size() > count) {
    throw Error("TypeError: macro '{}' takes not more than {} argument(s)", node.name, count);
  }
  const size_t first_default = count - node.defaults.size();
  for (const size_t i : missing) {
    const std::string& name = node.parameters[i]->name;
    Set(name, i >= first_default ? Eval(*node.defaults[i - first_default])
                                 : Value::MakeUndefined(fmt::format("parameter '{}' was not provided", name)));
  }
  Text text;
  const OutputGuard output(this, &text);
  Exec(node.body);
  return Value(std::move(text), autoescape_);
}

Value Interp::Filter(const std::string& name, const Value& input, const Args& args) {
  const FilterFunction filter = FindFilter(name);
  if (filter == nullptr) throw Error("TemplateRuntimeError: No filter named '{}' found.", name);
  budget_.SpendText(input.is_string() ? input.text().size() : 0);
  Value result = filter(*this, input, args);
  budget_.Spend(4);
  budget_.SpendText(result.is_string() ? result.text().size() : 0);
  return result;
}

bool Interp::Test(const std::string& name, const Value& input, const Args& args) {
  const TestFunction test = FindTest(name);
  if (test == nullptr) throw Error("TemplateRuntimeError: No test named '{}' found.", name);
  budget_.SpendText(input.is_string() ? input.text().size() : 0);
  return test(*this, input, args);
}

Value Interp::MakeNamespace(const Args& args) {
  budget_.Spend(8);
  auto space = std::make_shared<Namespace>();
  const auto set = [&](const std::string& name, const Value& value) {
    budget_.Spend(4);
    for (auto& [key, old] : space->attributes) {
      if (key == name) {
        old = value;
        return;
      }
    }
    space->attributes.emplace_back(name, value);
  };
  if (args.positional.size() > 1) throw Error("TypeError: namespace() takes at most one positional argument");
  for (const Value& value : args.positional) {
    if (!value.is(Type::kDict)) throw Error("TypeError: namespace() takes a dict, not {}", TypeName(value));
    for (const auto& [key, item] : value.as<Dict>().items) {
      if (!key.is_string()) throw Error("TypeError: namespace() takes names that are strings");
      set(key.str(), item);
    }
  }
  for (const auto& [name, value] : args.named) set(name, value);
  namespaces_.push_back(space);
  return Value(std::move(space));
}

}  // namespace fulgur::jinja

// ---- the public face

namespace fulgur {

struct JinjaTemplate::Impl {
  std::string where;
  jinja::Block block;
};

JinjaTemplate::JinjaTemplate(std::string_view source, const std::string& where)
    : impl_(std::make_shared<const Impl>(Impl{where, jinja::ParseTemplate(source, where)})) {}

JinjaTemplate::Result JinjaTemplate::Render(const Json& context, const Json& trusted, const Options& options) const {
  jinja::Interp interp(options.max_work, options.now);
  for (const auto& [json, is_trusted] : {std::pair{&context, false}, std::pair{&trusted, true}}) {
    if (json->is_null()) continue;
    if (!json->is_object()) throw Error("{}: the context must be a JSON object", impl_->where);
    for (auto it = json->begin(); it != json->end(); ++it) {
      interp.SetVariable(it.key(), jinja::FromJson(it.value(), is_trusted));
    }
  }
  const jinja::Text text = interp.Run(impl_->block);
  Result result;
  result.text = text.str();
  for (const auto& range : text.trusted()) result.trusted.emplace_back(range.begin, range.end);
  return result;
}

std::string JinjaTemplate::Render(const Json& context) const { return Render(context, Json(), Options{}).text; }

std::tm ParseDateTime(const std::string& text) {
  std::tm time{};
  const char* end = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &time);
  if (end == nullptr) throw Error("'{}' is not a time like 2024-02-29T23:59:00", text);
  timegm(&time);  // fills in the days of the week and of the year
  return time;
}

}  // namespace fulgur
