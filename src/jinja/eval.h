// The evaluator of a parsed template.
#pragma once

#include <ctime>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "jinja/ast.h"
#include "jinja/value.h"

namespace fulgur::jinja {

struct Scope {
  Scope* parent = nullptr;
  std::vector<std::pair<std::string_view, Value>> variables;  // names live as long as the tree or the context
  bool captured = false;                                      // a macro refers to it: kept until the end
};

struct Macro : Object {
  Macro(const Stmt* node, Scope* closure) : Object(Type::kMacro), node(node), closure(closure) {}
  const Stmt* node;
  Scope* closure;
};

// The variable `loop`. Elements are taken one at a time, as Jinja does: the condition of `for x in y if c` is asked
// when its turn comes.
struct Loop : Object {
  Loop() : Object(Type::kLoop) {}
  bool Pull(Value* item);  // the next element that passes; false at the end
  bool Peek();             // is there one more?
  int64_t CountAll();

  std::vector<Value> source;
  size_t taken = 0;
  std::function<bool(const Value&)> condition;  // may be empty
  std::deque<Value> ahead;                      // taken from source, not visited yet
  Value current, previous;
  int64_t index0 = -1, depth0 = 0;
  std::optional<std::vector<Value>> changed;  // what loop.changed saw last
  const Stmt* node = nullptr;
  Scope* scope = nullptr;  // where the loop stands
  bool ended = false;
};

class Interp {
 public:
  Interp(int64_t max_work, const std::optional<std::tm>& now);
  ~Interp();
  Interp(const Interp&) = delete;
  Interp& operator=(const Interp&) = delete;

  void SetVariable(std::string_view name, Value value);  // of the template's context; the name must outlive this
  Text Run(const Block& block);

  // For filters, tests and functions.
  Budget& budget() { return budget_; }
  std::tm Now() const;
  Value Call(const Value& function, Args args);
  Value Filter(const std::string& name, const Value& input, const Args& args);
  bool Test(const std::string& name, const Value& input, const Args& args);
  Value Attribute(const Value& object, const std::string& name);
  Value Item(const Value& object, const Value& key);
  Value MakeNamespace(const Args& args);

 private:
  enum class Flow { kNormal, kBreak, kContinue };
  class Deeper;
  class ScopeGuard;
  class OutputGuard;

  Flow Exec(const Block& block);
  Flow Exec(const Stmt& stmt);
  Flow ExecFor(const Stmt& stmt, const Value& iterable, int64_t depth0);
  Flow ExecIf(const Stmt& stmt);
  Flow ExecCaptured(const Block& block, Text* text);
  Flow ExecSetBlock(const Stmt& stmt);
  Flow ExecFilterBlock(const Stmt& stmt);
  Flow ExecWith(const Stmt& stmt);
  Flow ExecNamedBlock(const Stmt& stmt);
  Flow ExecScope(const Stmt& stmt);
  void ExecCallBlock(const Stmt& stmt);
  void Print(const Value& value);
  void Assign(const Expr& target, Value value);

  Value Eval(const Expr& expr);
  Value EvalName(const Expr& expr);
  Value EvalItem(const Expr& expr);
  Value EvalSlice(const Expr& expr);
  Value EvalCall(const Expr& expr);
  Value EvalFilter(const Expr& expr, const Value* input);
  Value EvalTest(const Expr& expr);
  Value EvalSequence(const Expr& expr);
  Value EvalDict(const Expr& expr);
  Value EvalConcat(const Expr& expr);
  Value EvalCompare(const Expr& expr);
  Value EvalCondition(const Expr& expr);
  Args EvalArgs(const CallArgs* args);
  Value CallMacro(const Macro& macro, Args args);
  Value CallLoop(Loop& loop, Args args);
  Value LoopAttribute(const Value& value, const std::string& name);
  bool Compares(CompareOp op, const Value& a, const Value& b);

  Scope* NewScope(Scope* parent);
  void FreeScope(Scope* scope);
  Value MakeMacro(const Stmt& stmt);
  const Value* Find(std::string_view name) const;
  void Set(std::string_view name, Value value);

  Budget budget_;
  std::optional<std::tm> now_;
  std::deque<Scope> scopes_;
  std::vector<Scope*> free_scopes_;
  Scope* root_;
  Scope* scope_;
  Text* out_ = nullptr;
  bool autoescape_ = false;
  int depth_ = 0;
  std::vector<std::shared_ptr<Namespace>> namespaces_;  // emptied at the end: they may refer to themselves
};

using FilterFunction = Value (*)(Interp&, const Value& input, const Args&);
using TestFunction = bool (*)(Interp&, const Value& input, const Args&);
FilterFunction FindFilter(std::string_view name);  // null if there is none
TestFunction FindTest(std::string_view name);

// A method of the type of `object`, or null. *forbidden: Python has it, templates may not call it.
Function::Body FindMethod(const Value& object, std::string_view name, bool* forbidden);
Function::Body FindGlobal(std::string_view name);

std::string FormatTime(const std::tm& time, const std::string& format);

// The value at a path like "a.b.0", for attribute= of filters.
Value AttributePath(Interp& interp, const Value& value, const Value& path);

// Helpers that both a filter and a method need.
Text Strip(const Text& text, const std::string* characters, bool left, bool right);
Text ReplaceAll(Budget& budget, const Text& text, const Text& old, const Text& with, int64_t count);
Text MapText(const Text& text, std::string mapped);  // `mapped` was made from `text`: trusted if all of it was
std::string Capitalize(std::string_view text);
Text Padding(int64_t count, const Text& fill);

}  // namespace fulgur::jinja
