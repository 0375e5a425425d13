#include <algorithm>
#include <set>

#include "jinja/ast.h"
#include "jinja/lexer.h"

namespace fulgur::jinja {
namespace {

constexpr int kMaxHeight = 500;  // of expressions, and of blocks in blocks

class Parser {
 public:
  Parser(std::vector<Token> tokens, const std::string& where) : tokens_(std::move(tokens)), where_(where) {}

  Block Template() {
    Block body = Statements({});
    CheckNames(0);
    return body;
  }

 private:
  // ---- tokens

  const Token& current() const { return tokens_[pos_]; }
  const Token& next() const { return tokens_[std::min(pos_ + 1, tokens_.size() - 1)]; }
  Token Take() {
    Token token = current();
    if (token.type != TokenType::kEnd) ++pos_;
    return token;
  }
  bool Is(TokenType type) const { return current().type == type; }
  bool IsOp(std::string_view op) const { return Is(TokenType::kOperator) && current().text == op; }
  bool IsName(std::string_view name) const { return Is(TokenType::kName) && current().text == name; }
  bool SkipOp(std::string_view op) {
    if (!IsOp(op)) return false;
    ++pos_;
    return true;
  }
  bool SkipName(std::string_view name) {
    if (!IsName(name)) return false;
    ++pos_;
    return true;
  }
  void ExpectOp(std::string_view op) {
    if (!SkipOp(op)) Fail(fmt::format("expected '{}', got {}", op, Describe()));
  }
  void Expect(TokenType type, const char* what) {
    if (!Is(type)) Fail(fmt::format("expected {}, got {}", what, Describe()));
    ++pos_;
  }
  std::string ExpectAnyName() {
    if (!Is(TokenType::kName)) Fail(fmt::format("expected a name, got {}", Describe()));
    return Take().text;
  }

  std::string Describe() const {
    switch (current().type) {
      case TokenType::kEnd:
        return "the end of the template";
      case TokenType::kBlockEnd:
        return "the end of the statement";
      case TokenType::kVariableEnd:
        return "the end of the print statement";
      case TokenType::kString:
        return "a string";
      case TokenType::kNumber:
        return "a number";
      default:
        return "'" + current().text + "'";
    }
  }

  [[noreturn]] void Fail(const std::string& message) const { FailAt(current().line, message); }
  [[noreturn]] void FailAt(int line, const std::string& message) const {
    throw Error("{}:{}: TemplateSyntaxError: {}", where_, line, message);
  }

  // ---- nodes

  ExprPtr Make(ExprKind kind, int line) const {
    auto expr = std::make_unique<Expr>();
    expr->kind = kind;
    expr->line = line;
    return expr;
  }
  void Raise(Expr* expr, const ExprPtr& child) const {
    if (child == nullptr) return;
    expr->height = std::max(expr->height, child->height + 1);
    if (expr->height > kMaxHeight) FailAt(expr->line, fmt::format("an expression nested deeper than {}", kMaxHeight));
  }
  void Add(Expr* expr, ExprPtr child) const {
    Raise(expr, child);
    expr->children.push_back(std::move(child));
  }
  ExprPtr Binary(ExprKind kind, int line, ExprPtr left, ExprPtr right) const {
    ExprPtr expr = Make(kind, line);
    Add(expr.get(), std::move(left));
    Add(expr.get(), std::move(right));
    return expr;
  }

  // Recursion of the parser itself, which parentheses and blocks drive.
  class Deeper {
   public:
    explicit Deeper(Parser* parser, int step = 1) : parser_(parser), step_(step) {
      if ((parser_->depth_ += step_) > 150) parser_->Fail("nested too deeply");
    }
    ~Deeper() { parser_->depth_ -= step_; }

   private:
    Parser* parser_;
    int step_;
  };

  // A filter or test that does not exist fails when the template is read, unless it stands in a branch that may not be
  // taken; then it fails when it is reached.
  struct Unknown {
    int line;
    std::string message;
  };
  void CheckNames(size_t from) const {
    if (unknown_.size() > from) {
      throw Error("{}:{}: TemplateAssertionError: {}", where_, unknown_[from].line, unknown_[from].message);
    }
  }
  void ForgetNames(size_t from) { unknown_.resize(std::min(from, unknown_.size())); }

  // ---- statements

  std::unique_ptr<Stmt> MakeStmt(StmtKind kind) const {
    auto stmt = std::make_unique<Stmt>();
    stmt->kind = kind;
    stmt->line = current().line;
    return stmt;
  }

  // Until a tag of `ends` (not taken, but its opening is); with none, until the end of the template.
  Block Statements(const std::vector<std::string_view>& ends) {
    const Deeper deeper(this, 2);
    Block body;
    while (!Is(TokenType::kEnd)) {
      if (Is(TokenType::kData)) {
        auto stmt = MakeStmt(StmtKind::kText);
        stmt->text = Text(Take().text, true);
        body.push_back(std::move(stmt));
      } else if (Is(TokenType::kVariableBegin)) {
        auto stmt = MakeStmt(StmtKind::kPrint);
        Take();
        stmt->exprs.push_back(Tuple());
        Expect(TokenType::kVariableEnd, "'}}'");
        body.push_back(std::move(stmt));
      } else {
        Take();  // {%
        if (Is(TokenType::kName) && std::find(ends.begin(), ends.end(), current().text) != ends.end()) return body;
        body.push_back(Statement());
        Expect(TokenType::kBlockEnd, "'%}'");
      }
    }
    if (!ends.empty()) {
      Fail(fmt::format("unexpected end of the template; '{}' is missing", ends.back()));
    }
    return body;
  }

  // The body of a block, from the end of its opening tag; takes the name of the tag that ends it.
  Block Body(const std::vector<std::string_view>& ends, std::string* end = nullptr) {
    SkipOp(":");
    Expect(TokenType::kBlockEnd, "'%}'");
    Block body = Statements(ends);
    const std::string name = Take().text;
    if (end != nullptr) *end = name;
    return body;
  }

  std::unique_ptr<Stmt> Statement() {
    if (!Is(TokenType::kName)) Fail(fmt::format("expected the name of a tag, got {}", Describe()));
    const std::string name = current().text;
    if (name == "if") return If();
    if (name == "for") return For();
    if (name == "set") return Set();
    if (name == "macro") return Macro();
    if (name == "call") return CallBlock();
    if (name == "filter") return FilterBlock();
    if (name == "with") return With();
    if (name == "block") return NamedBlock();
    if (name == "break" || name == "continue") {
      auto stmt = MakeStmt(name == "break" ? StmtKind::kBreak : StmtKind::kContinue);
      Take();
      if (loops_ == 0) FailAt(stmt->line, fmt::format("'{}' outside of a loop", name));
      return stmt;
    }
    if (name == "print") {
      auto stmt = MakeStmt(StmtKind::kPrint);
      Take();
      while (!Is(TokenType::kBlockEnd)) {
        if (!stmt->exprs.empty()) ExpectOp(",");
        stmt->exprs.push_back(Expression());
      }
      return stmt;
    }
    if (name == "generation") {  // marks what an assistant wrote, for training; renders as its content
      auto stmt = MakeStmt(StmtKind::kScope);
      Take();
      stmt->body = Body({"endgeneration"});
      return stmt;
    }
    if (name == "autoescape") {
      auto stmt = MakeStmt(StmtKind::kAutoescape);
      Take();
      stmt->exprs.push_back(Expression());
      stmt->body = Body({"endautoescape"});
      return stmt;
    }
    if (name == "include" || name == "import" || name == "from" || name == "extends") {
      auto stmt = MakeStmt(StmtKind::kImport);
      Take();
      stmt->name = name;
      Expression();
      while (!Is(TokenType::kBlockEnd) && !Is(TokenType::kEnd)) Take();
      return stmt;
    }
    Fail(fmt::format("unknown tag '{}'", name));
  }

  std::unique_ptr<Stmt> If() {
    const size_t names = unknown_.size();
    auto stmt = MakeStmt(StmtKind::kIf);
    while (true) {
      Take();  // if, elif
      stmt->exprs.push_back(Tuple({}, false));
      std::string end;
      SkipOp(":");
      Expect(TokenType::kBlockEnd, "'%}'");
      stmt->blocks.push_back(Statements({"elif", "else", "endif"}));
      end = current().text;
      if (end == "elif") continue;
      Take();
      if (end == "else") stmt->otherwise = Body({"endif"});
      break;
    }
    ForgetNames(names);
    return stmt;
  }

  std::unique_ptr<Stmt> For() {
    auto stmt = MakeStmt(StmtKind::kFor);
    Take();
    stmt->target = Target("in");
    if (!SkipName("in")) Fail(fmt::format("expected 'in', got {}", Describe()));
    stmt->exprs.push_back(Tuple("recursive", false));
    const size_t names = unknown_.size();
    stmt->exprs.push_back(SkipName("if") ? Expression() : nullptr);
    stmt->recursive = SkipName("recursive");
    std::string end;
    ++loops_;
    stmt->body = Body({"else", "endfor"}, &end);
    --loops_;
    if (end == "else") stmt->otherwise = Body({"endfor"});
    CheckNames(names);
    return stmt;
  }

  std::unique_ptr<Stmt> Set() {
    auto stmt = MakeStmt(StmtKind::kSet);
    Take();
    stmt->target = Target("", true);
    if (SkipOp("=")) {
      stmt->exprs.push_back(Tuple());
      return stmt;
    }
    stmt->kind = StmtKind::kSetBlock;
    stmt->exprs.push_back(IsOp("|") ? Filters(nullptr) : nullptr);
    const size_t names = unknown_.size();
    stmt->body = Body({"endset"});
    CheckNames(names);
    return stmt;
  }

  // The parameters of a macro or a call block, then its body, whose loops and special names are its own.
  void Signature(Stmt* stmt) {
    ExpectOp("(");
    while (!IsOp(")")) {
      if (!stmt->parameters.empty()) ExpectOp(",");
      stmt->parameters.push_back(NameTarget());
      if (SkipOp("=")) {
        stmt->defaults.push_back(Expression());
      } else if (!stmt->defaults.empty()) {
        Fail("a parameter without a default follows one with a default");
      }
    }
    ExpectOp(")");
    std::set<std::string_view> seen;
    for (const ExprPtr& parameter : stmt->parameters) {
      if (!seen.insert(parameter->name).second) Fail(fmt::format("the parameter '{}' is there twice", parameter->name));
    }
  }
  void MacroBody(Stmt* stmt, std::string_view end) {
    const size_t names = unknown_.size();
    const int loops = loops_;
    loops_ = 0;
    macros_.push_back(stmt);
    stmt->body = Body({end});
    macros_.pop_back();
    loops_ = loops;
    CheckNames(names);
  }

  std::unique_ptr<Stmt> Macro() {
    auto stmt = MakeStmt(StmtKind::kMacro);
    Take();
    stmt->name = NameTarget()->name;
    Signature(stmt.get());
    MacroBody(stmt.get(), "endmacro");
    return stmt;
  }

  std::unique_ptr<Stmt> CallBlock() {
    auto stmt = MakeStmt(StmtKind::kCallBlock);
    Take();
    stmt->name = "caller";
    if (IsOp("(")) Signature(stmt.get());
    stmt->exprs.push_back(Expression());
    if (stmt->exprs[0]->kind != ExprKind::kCall) FailAt(stmt->line, "expected a call");
    MacroBody(stmt.get(), "endcall");
    return stmt;
  }

  std::unique_ptr<Stmt> FilterBlock() {
    auto stmt = MakeStmt(StmtKind::kFilterBlock);
    Take();
    stmt->exprs.push_back(Filters(nullptr, true));
    const size_t names = unknown_.size();
    stmt->body = Body({"endfilter"});
    CheckNames(names);
    return stmt;
  }

  std::unique_ptr<Stmt> With() {
    auto stmt = MakeStmt(StmtKind::kWith);
    Take();
    while (!Is(TokenType::kBlockEnd)) {
      if (!stmt->parameters.empty()) ExpectOp(",");
      stmt->parameters.push_back(Target());
      ExpectOp("=");
      stmt->exprs.push_back(Expression());
    }
    const size_t names = unknown_.size();
    stmt->body = Body({"endwith"});
    CheckNames(names);
    return stmt;
  }

  std::unique_ptr<Stmt> NamedBlock() {
    auto stmt = MakeStmt(StmtKind::kBlock);
    Take();
    stmt->name = ExpectAnyName();
    if (!block_names_.insert(stmt->name).second) Fail(fmt::format("block '{}' defined twice", stmt->name));
    stmt->scoped = SkipName("scoped");
    SkipName("required");
    const size_t names = unknown_.size();
    const int loops = loops_;
    loops_ = 0;
    stmt->body = Body({"endblock"});
    loops_ = loops;
    SkipName(stmt->name);
    CheckNames(names);
    return stmt;
  }

  // ---- targets

  ExprPtr NameTarget() {
    ExprPtr target = Make(ExprKind::kName, current().line);
    target->name = ExpectAnyName();
    CheckTarget(*target);
    return target;
  }

  void CheckTarget(const Expr& target) const {
    static constexpr std::string_view kConstants[] = {"true", "false", "none", "True", "False", "None"};
    if (target.kind == ExprKind::kTuple || target.kind == ExprKind::kList) {
      for (const ExprPtr& child : target.children) CheckTarget(*child);
    } else if (target.kind != ExprKind::kNamespaceAttribute &&
               (target.kind != ExprKind::kName ||
                std::find(std::begin(kConstants), std::end(kConstants), target.name) != std::end(kConstants))) {
      FailAt(target.line, "cannot assign to this; expected a name");
    }
  }

  // One or more names, up to the name `end`.
  ExprPtr Target(std::string_view end = "", bool with_namespace = false) {
    const int line = current().line;
    std::vector<ExprPtr> targets;
    bool is_tuple = false;
    while (true) {
      if (TupleEnds(end)) break;
      targets.push_back(Primary(with_namespace));
      if (!SkipOp(",")) break;
      is_tuple = true;
    }
    if (!is_tuple && targets.empty()) Fail(fmt::format("expected a name to assign to, got {}", Describe()));
    ExprPtr target;
    if (is_tuple) {
      target = Make(ExprKind::kTuple, line);
      for (ExprPtr& t : targets) Add(target.get(), std::move(t));
    } else {
      target = std::move(targets[0]);
    }
    CheckTarget(*target);
    return target;
  }

  // ---- expressions, from the loosest binding to the tightest

  bool TupleEnds(std::string_view end) const {
    return Is(TokenType::kVariableEnd) || Is(TokenType::kBlockEnd) || IsOp(")") || (!end.empty() && IsName(end));
  }

  ExprPtr Tuple(std::string_view end = {}, bool with_condition = true, bool parenthesized = false) {
    const int line = current().line;
    std::vector<ExprPtr> items;
    bool is_tuple = false;
    while (!TupleEnds(end)) {
      items.push_back(with_condition ? Expression() : Or());
      if (!SkipOp(",")) break;
      is_tuple = true;
    }
    if (!is_tuple && !items.empty()) return std::move(items[0]);
    if (!is_tuple && !parenthesized) Fail(fmt::format("Expected an expression, got {}", Describe()));
    ExprPtr tuple = Make(ExprKind::kTuple, line);
    for (ExprPtr& item : items) Add(tuple.get(), std::move(item));
    return tuple;
  }

  ExprPtr Expression() {
    const Deeper deeper(this);
    const int line = current().line;
    const size_t names = unknown_.size();
    ExprPtr value = Or();
    while (SkipName("if")) {
      ExprPtr condition = Make(ExprKind::kCondition, line);
      Add(condition.get(), Or());
      Add(condition.get(), std::move(value));
      Add(condition.get(), SkipName("else") ? Expression() : nullptr);
      ForgetNames(names);
      value = std::move(condition);
    }
    return value;
  }

  ExprPtr Or() {
    ExprPtr left = And();
    while (IsName("or")) {
      const int line = Take().line;
      left = Binary(ExprKind::kOr, line, std::move(left), And());
    }
    return left;
  }

  ExprPtr And() {
    ExprPtr left = Not();
    while (IsName("and")) {
      const int line = Take().line;
      left = Binary(ExprKind::kAnd, line, std::move(left), Not());
    }
    return left;
  }

  ExprPtr Not() {
    if (!IsName("not")) return Comparison();
    const Deeper deeper(this);
    ExprPtr expr = Make(ExprKind::kNot, Take().line);
    Add(expr.get(), Not());
    return expr;
  }

  bool TakeCompareOp(CompareOp* op) {
    static constexpr std::pair<std::string_view, CompareOp> kOps[] = {{"==", CompareOp::kEq}, {"!=", CompareOp::kNe},
                                                                      {"<", CompareOp::kLt},  {"<=", CompareOp::kLe},
                                                                      {">", CompareOp::kGt},  {">=", CompareOp::kGe}};
    for (const auto& [text, value] : kOps) {
      if (SkipOp(text)) {
        *op = value;
        return true;
      }
    }
    if (SkipName("in")) {
      *op = CompareOp::kIn;
      return true;
    }
    if (IsName("not") && next().type == TokenType::kName && next().text == "in") {
      pos_ += 2;
      *op = CompareOp::kNotIn;
      return true;
    }
    return false;
  }

  ExprPtr Comparison() {
    const int line = current().line;
    ExprPtr first = Sum();
    CompareOp op;
    if (!TakeCompareOp(&op)) return first;
    ExprPtr expr = Make(ExprKind::kCompare, line);
    Add(expr.get(), std::move(first));
    do {
      expr->compares.push_back(op);
      Add(expr.get(), Sum());
    } while (TakeCompareOp(&op));
    return expr;
  }

  ExprPtr Sum() {
    ExprPtr left = Concat();
    while (IsOp("+") || IsOp("-")) {
      const Token op = Take();
      left = Binary(ExprKind::kBinary, op.line, std::move(left), Concat());
      left->binary = op.text == "+" ? BinaryOp::kAdd : BinaryOp::kSub;
    }
    return left;
  }

  ExprPtr Concat() {
    ExprPtr first = Product();
    if (!IsOp("~")) return first;
    ExprPtr expr = Make(ExprKind::kConcat, current().line);
    Add(expr.get(), std::move(first));
    while (SkipOp("~")) Add(expr.get(), Product());
    return expr;
  }

  ExprPtr Product() {
    ExprPtr left = Power();
    while (IsOp("*") || IsOp("/") || IsOp("//") || IsOp("%")) {
      const Token op = Take();
      left = Binary(ExprKind::kBinary, op.line, std::move(left), Power());
      left->binary = op.text == "*"    ? BinaryOp::kMul
                     : op.text == "/"  ? BinaryOp::kDiv
                     : op.text == "//" ? BinaryOp::kFloorDiv
                                       : BinaryOp::kMod;
    }
    return left;
  }

  ExprPtr Power() {  // binds to the left, unlike Python's
    ExprPtr left = Unary(true);
    while (IsOp("**")) {
      const int line = Take().line;
      left = Binary(ExprKind::kBinary, line, std::move(left), Unary(true));
      left->binary = BinaryOp::kPow;
    }
    return left;
  }

  ExprPtr Unary(bool with_filters) {
    ExprPtr expr;
    if (IsOp("-") || IsOp("+")) {
      const Deeper deeper(this);
      const Token op = Take();
      expr = Make(op.text == "-" ? ExprKind::kNegate : ExprKind::kPlus, op.line);
      Add(expr.get(), Unary(false));
    } else {
      expr = Primary(false);
    }
    expr = Postfix(std::move(expr));
    return with_filters ? FiltersAndTests(std::move(expr)) : std::move(expr);
  }

  ExprPtr Primary(bool with_namespace) {
    const Deeper deeper(this);
    const int line = current().line;
    const auto constant = [&](Value value) {
      ExprPtr expr = Make(ExprKind::kConst, line);
      expr->value = std::move(value);
      return expr;
    };
    if (Is(TokenType::kName)) {
      const std::string name = Take().text;
      if (name == "true" || name == "True") return constant(Value(true));
      if (name == "false" || name == "False") return constant(Value(false));
      if (name == "none" || name == "None") return constant(Value());
      ExprPtr expr = Make(ExprKind::kName, line);
      if (with_namespace && SkipOp(".")) {
        expr->kind = ExprKind::kNamespaceAttribute;
        expr->attribute = ExpectAnyName();
      }
      for (Stmt* macro : macros_) {
        macro->uses_caller |= name == "caller";
        macro->uses_varargs |= name == "varargs";
        macro->uses_kwargs |= name == "kwargs";
      }
      expr->name = name;
      return expr;
    }
    if (Is(TokenType::kString)) {
      std::string text;
      while (Is(TokenType::kString)) text += Take().text;  // adjacent literals are one
      return constant(Value::Str(std::move(text), true));
    }
    if (Is(TokenType::kNumber)) return constant(Take().value);
    if (SkipOp("(")) {
      ExprPtr expr = Tuple({}, true, true);
      ExpectOp(")");
      return expr;
    }
    if (SkipOp("[")) {
      ExprPtr list = Make(ExprKind::kList, line);
      while (!IsOp("]")) {
        if (!list->children.empty()) ExpectOp(",");
        if (IsOp("]")) break;
        Add(list.get(), Expression());
      }
      ExpectOp("]");
      return list;
    }
    if (SkipOp("{")) {
      ExprPtr dict = Make(ExprKind::kDict, line);
      while (!IsOp("}")) {
        if (!dict->children.empty()) ExpectOp(",");
        if (IsOp("}")) break;
        Add(dict.get(), Expression());
        ExpectOp(":");
        Add(dict.get(), Expression());
      }
      ExpectOp("}");
      return dict;
    }
    Fail(fmt::format("Expected an expression, got {}", Describe()));
  }

  ExprPtr Postfix(ExprPtr expr) {
    while (true) {
      if (IsOp(".") || IsOp("[")) {
        expr = Subscript(std::move(expr));
      } else if (IsOp("(")) {
        expr = Call(std::move(expr));
      } else {
        return expr;
      }
    }
  }

  ExprPtr FiltersAndTests(ExprPtr expr) {
    while (true) {
      if (IsOp("|")) {
        expr = Filters(std::move(expr));
      } else if (IsName("is")) {
        expr = Test(std::move(expr));
      } else if (IsOp("(")) {
        expr = Call(std::move(expr));
      } else {
        return expr;
      }
    }
  }

  ExprPtr Subscript(ExprPtr object) {
    const Token token = Take();
    if (token.text == ".") {
      const Token attribute = Take();
      if (attribute.type == TokenType::kName) {
        ExprPtr expr = Make(ExprKind::kAttribute, token.line);
        expr->name = attribute.text;
        Add(expr.get(), std::move(object));
        return expr;
      }
      if (attribute.type != TokenType::kNumber || !attribute.value.is_int()) {
        FailAt(token.line, "expected a name or a number after '.'");
      }
      ExprPtr index = Make(ExprKind::kConst, token.line);
      index->value = attribute.value;
      return Binary(ExprKind::kItem, token.line, std::move(object), std::move(index));
    }
    // One index or slice; with commas, a tuple of indices.
    std::vector<ExprPtr> indices;
    bool has_slice = false;
    ExprPtr slice = Make(ExprKind::kSlice, token.line);
    while (!IsOp("]")) {
      if (!indices.empty() || has_slice) ExpectOp(",");
      ExprPtr first = IsOp(":") ? nullptr : Expression();
      if (!IsOp(":")) {
        indices.push_back(std::move(first));
        continue;
      }
      if (has_slice || !indices.empty()) Fail("slices cannot be combined");
      has_slice = true;
      ExpectOp(":");
      const auto at_end = [&] { return IsOp("]") || IsOp(",") || IsOp(":"); };
      ExprPtr second = at_end() ? nullptr : Expression();
      ExprPtr third = SkipOp(":") && !at_end() ? Expression() : nullptr;
      Add(slice.get(), std::move(object));
      Add(slice.get(), std::move(first));
      Add(slice.get(), std::move(second));
      Add(slice.get(), std::move(third));
    }
    ExpectOp("]");
    if (has_slice && !indices.empty()) Fail("slices cannot be combined");
    if (has_slice) return slice;
    ExprPtr index;
    if (indices.size() == 1) {
      index = std::move(indices[0]);
    } else {
      index = Make(ExprKind::kTuple, token.line);
      for (ExprPtr& i : indices) Add(index.get(), std::move(i));
    }
    return Binary(ExprKind::kItem, token.line, std::move(object), std::move(index));
  }

  void Arguments(Expr* expr) {
    ExpectOp("(");
    auto args = std::make_unique<CallArgs>();
    const auto add = [&](ExprPtr value) {
      Raise(expr, value);
      return value;
    };
    const auto ensure = [&](bool condition) {
      if (!condition) Fail("invalid syntax for function call expression");
    };
    bool first = true;
    while (!IsOp(")")) {
      if (!first) {
        ExpectOp(",");
        if (IsOp(")")) break;
      }
      first = false;
      if (SkipOp("*")) {
        ensure(args->more_positional == nullptr && args->more_named == nullptr);
        args->more_positional = add(Expression());
      } else if (SkipOp("**")) {
        ensure(args->more_named == nullptr);
        args->more_named = add(Expression());
      } else if (Is(TokenType::kName) && next().type == TokenType::kOperator && next().text == "=") {
        ensure(args->more_named == nullptr);
        std::string name = Take().text;
        Take();
        for (const auto& named : args->named) {
          if (named.first == name) Fail(fmt::format("keyword argument repeated: {}", name));
        }
        args->named.emplace_back(std::move(name), add(Expression()));
      } else {
        ensure(args->more_positional == nullptr && args->more_named == nullptr && args->named.empty());
        args->positional.push_back(add(Expression()));
      }
    }
    ExpectOp(")");
    expr->args = std::move(args);
  }

  ExprPtr Call(ExprPtr function) {
    ExprPtr expr = Make(ExprKind::kCall, current().line);
    Add(expr.get(), std::move(function));
    Arguments(expr.get());
    return expr;
  }

  std::string DottedName() {
    std::string name = ExpectAnyName();
    while (SkipOp(".")) name += "." + ExpectAnyName();
    return name;
  }

  // `| name(args) | name ...`; with `inline_first` the first one stands without its bar.
  ExprPtr Filters(ExprPtr input, bool inline_first = false) {
    while (inline_first || IsOp("|")) {
      if (!inline_first) Take();
      inline_first = false;
      ExprPtr expr = Make(ExprKind::kFilter, current().line);
      expr->name = DottedName();
      if (!IsFilter(expr->name)) unknown_.push_back({expr->line, fmt::format("No filter named '{}'.", expr->name)});
      Add(expr.get(), std::move(input));
      if (IsOp("(")) Arguments(expr.get());
      input = std::move(expr);
    }
    return input;
  }

  ExprPtr Test(ExprPtr input) {
    const int line = Take().line;
    const bool negated = SkipName("not");
    ExprPtr expr = Make(ExprKind::kTest, line);
    expr->name = DottedName();
    if (!IsTest(expr->name)) unknown_.push_back({line, fmt::format("No test named '{}'.", expr->name)});
    Add(expr.get(), std::move(input));
    if (IsOp("(")) {
      Arguments(expr.get());
    } else if ((Is(TokenType::kName) && !IsName("else") && !IsName("or") && !IsName("and")) || Is(TokenType::kString) ||
               Is(TokenType::kNumber) || IsOp("[") || IsOp("{")) {
      if (IsName("is")) Fail("You cannot chain multiple tests with is");
      expr->args = std::make_unique<CallArgs>();
      ExprPtr argument = Postfix(Primary(false));
      Raise(expr.get(), argument);
      expr->args->positional.push_back(std::move(argument));
    }
    if (!negated) return expr;
    ExprPtr inverted = Make(ExprKind::kNot, line);
    Add(inverted.get(), std::move(expr));
    return inverted;
  }

  std::vector<Token> tokens_;
  const std::string& where_;
  size_t pos_ = 0;
  int depth_ = 0;
  int loops_ = 0;
  std::vector<Stmt*> macros_;  // the macros whose bodies are open
  std::vector<Unknown> unknown_;
  std::set<std::string> block_names_;
};

}  // namespace

Block ParseTemplate(std::string_view source, const std::string& where) {
  return Parser(Tokenize(source, where), where).Template();
}

}  // namespace fulgur::jinja
