// The syntax tree of a template, and the parser that makes it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "jinja/value.h"

namespace fulgur::jinja {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct CallArgs {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr more_positional, more_named;  // *args, **kwargs
};

enum class ExprKind {
  kConst,      // value
  kName,       // name
  kAttribute,  // children[0].name
  kItem,       // children[0][children[1]]
  kSlice,      // children[0][children[1]:children[2]:children[3]], each of the last three may be null
  kCall,       // children[0](args)
  kFilter,     // children[0] | name(args); children[0] is null where the text of a block is filtered
  kTest,       // children[0] is name(args)
  kList,
  kTuple,
  kDict,  // key, value, key, value ...
  kNot,
  kNegate,
  kPlus,
  kBinary,   // binary
  kConcat,   // children joined by ~
  kCompare,  // children[0] compares[0] children[1] compares[1] children[2] ...
  kAnd,
  kOr,
  kCondition,           // children[1] if children[0] else children[2] (may be null)
  kNamespaceAttribute,  // only as a target: name.attribute
};

enum class CompareOp { kEq, kNe, kLt, kLe, kGt, kGe, kIn, kNotIn };

struct Expr {
  ExprKind kind;
  int line;
  int height = 1;  // of the tree below; limited
  std::string name, attribute;
  Value value;
  std::vector<ExprPtr> children;
  std::vector<CompareOp> compares;
  BinaryOp binary = BinaryOp::kAdd;
  std::unique_ptr<CallArgs> args;
};

struct Stmt;
using Block = std::vector<std::unique_ptr<Stmt>>;

enum class StmtKind {
  kText,         // text
  kPrint,        // exprs
  kSet,          // target = exprs[0]
  kSetBlock,     // target = body, through the filter exprs[0] (may be null)
  kFor,          // target in exprs[0] if exprs[1] (may be null); body, otherwise
  kIf,           // exprs[i] guards blocks[i]; otherwise
  kMacro,        // name, parameters, body
  kCallBlock,    // exprs[0] is the call; parameters, body make its caller
  kFilterBlock,  // exprs[0] over body
  kWith,         // parameters = exprs over body
  kBlock,        // name, body
  kScope,        // body, in a scope of its own
  kAutoescape,   // exprs[0], body
  kBreak,
  kContinue,
  kImport,  // include, import, from, extends: there is no other template to load
};

struct Stmt {
  StmtKind kind;
  int line;
  Text text;
  std::string name;
  ExprPtr target;
  std::vector<ExprPtr> exprs;
  std::vector<ExprPtr> parameters;  // names, or targets of `with`
  std::vector<ExprPtr> defaults;    // of the last parameters
  Block body, otherwise;
  std::vector<Block> blocks;
  bool recursive = false, scoped = false;
  bool uses_caller = false, uses_varargs = false, uses_kwargs = false;  // of a macro's body
};

// Throws Error("{where}:{line}: TemplateSyntaxError: ...").
Block ParseTemplate(std::string_view source, const std::string& where);

bool IsFilter(std::string_view name);
bool IsTest(std::string_view name);

}  // namespace fulgur::jinja
