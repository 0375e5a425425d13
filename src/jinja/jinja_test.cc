#include "jinja/jinja.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace fulgur {
namespace {

std::string Render(const std::string& source, const Json& context = Json::object()) {
  return JinjaTemplate(source).Render(context);
}

JinjaTemplate::Options WithWork(int64_t work) {
  JinjaTemplate::Options options;
  options.max_work = work;
  return options;
}

// Snippets with the text or the failure Jinja2 3.1 gives for them.
TEST(JinjaTest, ReferenceSnippets) {
  const std::string path = FULGUR_SOURCE_DIR "/tests/data/text/jinja.jsonl";
  const std::string lines = ReadFile(path);
  int count = 0;
  for (size_t begin = 0; begin < lines.size(); ++count) {
    const size_t end = lines.find('\n', begin);
    const Json line = ParseJson(lines.substr(begin, end - begin), path);
    begin = end + 1;
    SCOPED_TRACE(line["template"].dump());
    JinjaTemplate::Options options;
    if (line.contains("now")) options.now = ParseDateTime(line["now"].get<std::string>());
    const auto render = [&] {
      return JinjaTemplate(line["template"].get<std::string>()).Render(line["context"], nullptr, options).text;
    };
    if (line.contains("error")) {
      EXPECT_THROW(render(), Error);
    } else {
      EXPECT_EQ(render(), line["expected"].get<std::string>());
    }
  }
  EXPECT_GT(count, 60);
}

// What Jinja2 3.1.6 gives, in corners where a plausible implementation gives something else.
TEST(JinjaTest, CornersOfJinja2) {
  const Json context{{"m", {{{"role", "user"}, {"content", "hi"}}, {{"role", "tool"}, {"content", "r"}}}},
                     {"d", {{"items", 1}, {"b", 2}}}};
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7.5 % -2 }}", "64 4 -4 2 -0.5"},
      {"{{ 2 ** 64 }} {{ 1e16 }} {{ 1e15 }} {{ 1e-5 }} {{ 0.1 + 0.2 }} {{ true + true }}",
       "18446744073709551616 1e+16 1000000000000000.0 1e-05 0.30000000000000004 2"},
      {"{{ 1 < 2 < 3 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ [1, 2] < [1, 3] }}", "True True True True"},
      {"{{ 'T' if m | selectattr('role', 'eq', 'nobody') else 'F' }}", "T"},  // a generator is always true
      {"{% set g = m | map(attribute='role') %}{{ g | list }}{{ g | list }}", "['user', 'tool'][]"},
      {"{{ d.items() | list }} {{ d['items'] }} {{ d.items is callable }}", "[('items', 1), ('b', 2)] 1 True"},
      {"{{ d.keys() }} {{ range(3) }} {{ namespace(a=1) }}",
       "dict_keys(['items', 'b']) range(0, 3) <Namespace {'a': 1}>"},
      {"{{ x }}|{{ x | length }}|{{ [x] }}|{{ x == y }}|{{ x ~ 1 }}", "|0|[Undefined]|True|1"},
      {"{{ 5[0] }}|{{ none.x }}|{{ 'abc'[9] }}|{{ [1].append is defined }}", "|||False"},
      {"{% for x in [1] %}{% break %}{% else %}else{% endfor %}", "else"},
      {"{% for x in [1, 2] %}{% if loop.first %}{% set z = 5 %}{% endif %}{{ z }},{% endfor %}", "5,,"},
      {"{% for i in [1, 2] %}{% macro f() %}{{ i }}{% endmacro %}{{ f() }}{% endfor %}", "12"},
      {"{% macro f() %}{{ i }}|{% endmacro %}{% for i in [1, 2] %}{{ f() }}{% endfor %}", "||"},
      {"{% macro f() %}[{{ caller(1) }}]{% endmacro %}{% call(x) f() %}<{{ x }}>{% endcall %}", "[<1>]"},
      {"{% set x | replace('a', 'b') | upper %}aXa{% endset %}{{ x }}", "BXB"},
      {"{% for n in [1, [2, [3]]] recursive %}{{ loop(n) if n is iterable else n }}{% endfor %}", "123"},
      {"{% if false %}{{ 1 | nosuch }}{% endif %}ok", "ok"},
      {"{{ 2.5 | round }} {{ 3.5 | round }} {{ 5 | round }} {{ 1.005 | round(2) }}", "2.0 4.0 5 1.0"},
      {"{{ \"they're\".title() }} {{ \"they're\" | title }} {{ 'straße' | upper }}", "They'Re They're STRASSE"},
      {"{{ '%05.2f|%-4d|%x|%r' % (3.14159, 42, 255, 'q') }}", "03.14|42  |ff|'q'"},
      {"{{ '{:>5}|{:.2f}|{:,}|{0}'.format('a', 3.14159, 1234567) if false else '{:>5}|{:,}'.format('a', 1234567) }}",
       "    a|1,234,567"},
      {"{{ ['it\\'s', '\\n', '\\u200b', 'é'] }}", "[\"it's\", '\\n', '\\u200b', 'é']"},
      {"{{ ('<'|e) + '<' }} {{ '<'|e|e }} {{ '<'|e ~ '<' }}", "&lt;&lt; &lt; &lt;<"},
      {"{{ {1: none, true: 2, 'a': 1.0} | tojson }}", "{\"1\": 2, \"a\": 1.0}"},
      {"  {%- if true +%}\n  x\n  {%+ endif %}\n{{ 1 -}}\n  y{# c #}\nz", "\n  x\n  1yz"},
  };
  for (const auto& [source, expected] : cases) {
    SCOPED_TRACE(source);
    EXPECT_EQ(Render(source, context), expected);
  }
}

TEST(JinjaTest, WhatJinja2Refuses) {
  const std::vector<std::string> sources = {"{{ x.y }}",
                                            "{{ x() }}",
                                            "{{ x + 1 }}",
                                            "{{ 'a' + 1 }}",
                                            "{{ 1 / 0 }}",
                                            "{{ 1 < 'a' }}",
                                            "{{ none | length }}",
                                            "{{ m | map('upper') | length }}",
                                            "{{ [1] | nosuch }}",
                                            "{{ 1 is nosuch }}",
                                            "{% for x in [] %}{{ 1 | nosuch }}{% endfor %}",
                                            "{{ {[1]: 2} }}",
                                            "{{ x | tojson }}",
                                            "{{ 1 in 'abc' }}",
                                            "{{ [1].append(2) }}",
                                            "{{ ''.__class__.__mro__ }}",
                                            "{% break %}",
                                            "{% set true = 1 %}",
                                            "{% set d = {} %}{% set d.x = 1 %}",
                                            "{% for a, b in [1] %}{% endfor %}",
                                            "{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}",
                                            "{% include 'x' %}",
                                            "{% nosuch %}",
                                            "{{ 'open }}",
                                            "{# open",
                                            "{% raw %}open",
                                            "{{ (1 }}",
                                            "{{ 1 2 }}",
                                            "{% if 1 %}",
                                            "{% endif %}",
                                            "{{ '\\ud800' }}",
                                            "{{ range(200000) | list }}",
                                            "{{ raise_exception('no') }}",
                                            "{{ 'x' % 1 }}",
                                            "{{ '%d' % 'a' }}",
                                            "{{ '{}'.format() }}",
                                            "\xff"};
  for (const std::string& source : sources) {
    SCOPED_TRACE(source);
    EXPECT_THROW(Render(source), Error);
  }
}

TEST(JinjaTest, ErrorsSayWhere) {
  try {
    JinjaTemplate("a\nb\n{% if 1 %}{{ 'x' ! }}", "chat.jinja");
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("chat.jinja:3"), std::string::npos) << e.what();
  }
}

TEST(JinjaTest, WorkMemoryAndNestingAreBounded) {
  const std::vector<std::string> sources = {
      "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
      "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
      "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
      "{{ 'x' * 1000000000000 }}",
      "{{ [1, 2, 3] * 1000000000 }}",
      "{{ '%999999999d' % 1 }}",
      "{{ 'x'.center(99999999999) }}",
      "{{ 'a' | indent(99999999999, true) }}",
      "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
      "{% set ns = namespace(l=[]) %}{% for i in range(100000) %}{% set ns.l = [ns.l] %}{% endfor %}",
      "{% set ns = namespace(l=[1]) %}{% for i in range(200) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l == "
      "ns.l[:] }}",
      "{% set ns = namespace(l=[]) %}{% for i in range(99) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
      "{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}",
      "{% set ns = namespace(s='a') %}{% for i in range(60) %}{% set ns.s = ns.s.replace('a', 'aa') %}{% endfor %}",
      "{{ 2 ** 99999 }}",
      "{{ [1] | slice(99999999999) | list }}",
      "{{ [1] | batch(99999999999, 1) | list }}",
  };
  for (const std::string& source : sources) {
    SCOPED_TRACE(source);
    EXPECT_THROW(JinjaTemplate(source).Render(Json::object(), nullptr, WithWork(300'000)), Error);
  }
  for (const std::string open : {"{{ (", "{{ [", "{{ -", "{{ not ", "{% if 1 %}", "{{ 1 if 1 else "}) {
    std::string source;
    for (int i = 0; i < 20'000; ++i) source += i == 0 ? open : open.substr(open[1] == '{' ? 3 : 0);
    EXPECT_THROW(JinjaTemplate{source}, Error);
  }
  std::string sum = "{{ 1";
  for (int i = 0; i < 100'000; ++i) sum += "+1";
  EXPECT_THROW(JinjaTemplate{sum + " }}"}, Error);
}

TEST(JinjaTest, DeepRecursionFitsTheStack) {
  EXPECT_EQ(
      Render("{% macro f(n) %}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{{ n % 10 }}{% endmacro %}{{ f(100) | length }}"),
      "101");
}

// ---- provenance

std::string Trusted(const std::string& source, const Json& context) {
  const JinjaTemplate::Result result = JinjaTemplate(source).Render(context, {{"bos", "<s>"}}, {});
  std::string marked = result.text;
  for (auto it = result.trusted.rbegin(); it != result.trusted.rend(); ++it) {
    marked.insert(it->second, "]");
    marked.insert(it->first, "[");
  }
  return marked;
}

TEST(JinjaTest, TextKnowsWhoWroteIt) {
  const Json context{{"u", "<s>U"}, {"l", {"<s>", "b"}}, {"d", {{"<s>", "<s>"}}}};
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"<s>{{ u }}{{ '<s>' }}{{ bos }}", "[<s>]<s>U[<s><s>]"},
      {"{{ '<s>' + u + '</s>' }}", "[<s>]<s>U[</s>]"},
      {"{{ ('<s>' ~ u ~ '</s>') | trim }}", "[<s>]<s>U[</s>]"},
      {"{{ (' <s>' ~ u)[1:5] }}", "[<s>]<"},
      {"{{ (bos ~ u)[::-1] }}", "U>s<[>s<]"},
      {"{{ '%s<s>%s' % (u, bos) }}", "<s>U[<s><s>]"},
      {"{{ '<s>{}'.format(u) }}", "[<s>]<s>U"},
      {"{{ l | join('<s>') }}", "<s>[<s>]b"},
      {"{{ '<s>'.join(l) }}", "<s>[<s>]b"},
      {"{{ u.replace('U', '<s>') }}{{ 'aU'.replace('U', u) }}", "<s>[<s>a]<s>U"},
      {"{{ u.split('U')[0] }}{{ '<s>,x'.split(',')[0] }}", "<s>[<s>]"},
      {"{{ d | tojson }}{{ l }}{{ u | upper }}", "{\"<s>\": \"<s>\"}['<s>', 'b']<S>U"},
      {"{{ '<s>' | upper }}{{ d.keys() | first }}", "[<S>]<s>"},
      {"{% set x %}<s>{{ u }}{% endset %}{{ x }}", "[<s>]<s>U"},
      {"{% macro f(a) %}<s>{{ a }}{% endmacro %}{{ f(u) }}{% filter trim %} <s>{{ u }}{% endfilter %}",
       "[<s>]<s>U[<s>]<s>U"},
      {"{{ ('<s>' ~ u) | indent(1, true) }}{{ ('<s>' ~ u) | e }}", " [<s>]<s>U&lt;s&gt;&lt;s&gt;U"},
      {"{{ '<s>' if u else '' }}{{ u | default('<s>') }}{{ nope | default('<s>') }}", "[<s>]<s>U[<s>]"},
      {"{% for c in '<s' ~ u %}{{ c }}{% endfor %}", "[<s]<s>U"},
      {"{{ ('<' ~ u[1:3]) }}", "[<]s>"},
  };
  for (const auto& [source, expected] : cases) {
    SCOPED_TRACE(source);
    EXPECT_EQ(Trusted(source, context), expected);
  }
}

}  // namespace
}  // namespace fulgur
