#include "grammar/json_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <regex>

#include "base/error.h"
#include "base/json_as_given.h"
#include "base/rng.h"

namespace fulgur {
namespace {

using ::testing::HasSubstr;

std::shared_ptr<const Grammar> Of(const std::string& schema) {
  return JsonSchemaGrammar(ParseJsonAsGiven(schema, "test"), "the schema");
}

std::string ErrorOf(const std::string& schema) {
  try {
    Of(schema);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

struct Case {
  std::string schema;
  std::vector<std::string> fit, misfit;
};

TEST(JsonSchemaTest, Keywords) {
  const std::vector<Case> cases = {
      {R"({"type": "null"})", {"null"}, {"0", "\"null\"", "nul"}},
      {R"({"type": "boolean"})", {"true", "false"}, {"null", "True"}},
      {R"({"type": "string"})", {R"("")", R"("a\"\\\u00e9")"}, {"1", "\"", "'a'"}},
      {R"({"type": "integer"})",
       {"0", "-1", "123456789012345678"},
       {"01", "-0", "1.0", "1e3", "+1", "1234567890123456789"}},
      {R"({"type": "number"})", {"0", "-0.5", "1e10", "1.5E-07", "-0"}, {"01", ".5", "1.", "1e", "1e400", "NaN"}},
      {R"({"type": ["integer", "null"]})", {"1", "null"}, {"1.5", "\"\""}},
      {R"({"type": "integer", "nullable": true})", {"1", "null"}, {"1.5"}},
      {R"({})", {"1", "[{}, []]", R"({"a": [1, "b", null]})"}, {"", "x"}},
      {"true", {"1", "{}"}, {""}},
      // Objects.
      {R"({"type": "object"})", {"{}", R"({"a":1,"b":{"c":[]}})", R"({ "a": 1 })"}, {"[]", R"({"a"})", R"({a:1})"}},
      {R"({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}})",
       {"{}", R"({"a":1})", R"({"b":""})", R"({"a":1,"b":""})"},
       {R"({"b":"","a":1})", R"({"a":1,"a":1})", R"({"c":1})", R"({"a":"x"})", R"({"a":1,})"}},
      {R"({"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "required": ["b"]})",
       {R"({"b":1})", R"({"a":1,"b":1})", R"({"b":1,"c":1})", R"({"a":1,"b":1,"c":1})"},
       {"{}", R"({"a":1})", R"({"a":1,"c":1})"}},
      {R"({"properties": {"a": {}}, "required": ["z", "a"]})",
       {R"({"a":1,"z":2})"},
       {R"({"z":2,"a":1})", R"({"a":1})"}},
      {R"({"type": "object", "properties": {}})", {"{}"}, {R"({"a":1})"}},
      {R"({"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": false})",
       {"{}"},
       {R"({"b":1})"}},
      {R"({"type": "object", "properties": {"ab": {"type": "null"}, "\"": {"type": "null"}}, "additionalProperties": {"type": "integer"}})",
       {"{}", R"({"ab":null,"abc":1,"a":2,"b":3})", R"({"":1})", R"({"b":1})", R"({"\"":null})", R"({"\u0001\n\\":1})"},
       {R"({"ab":1})", R"({"c":1,"ab":1})", R"({"a":""})", R"({"\u0061b":1})", R"({"\"":1})"}},
      {R"({"type": "object", "additionalProperties": {"type": "integer"}})",
       {"{}", R"({"a":1,"b":2})"},
       {R"({"a":""})"}},
      {R"({"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1, "maxProperties": 2})",
       {R"({"a":1})", R"({"a":1,"b":2})"},
       {"{}", R"({"a":1,"b":2,"c":3})"}},
      {R"({"type": "object", "additionalProperties": false})", {"{}"}, {R"({"a":1})"}},
      {R"({"type": "object", "properties": {"a": false, "b": true}})", {R"({"b":1})", "{}"}, {R"({"a":1})"}},
      {R"({"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "minProperties": 1})",
       {R"({"a":1})", R"({"c":1})", R"({"a":1,"b":2,"c":3})"},
       {"{}"}},
      {R"({"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "required": ["b"], "minProperties": 2, "maxProperties": 2})",
       {R"({"a":1,"b":2})", R"({"b":1,"c":2})"},
       {R"({"b":1})", R"({"a":1,"c":1})", R"({"a":1,"b":2,"c":3})"}},
      {R"({"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "null"}, "minProperties": 2, "maxProperties": 3})",
       {R"({"a":1,"b":null})", R"({"b":null,"c":null})", R"({"b":null,"c":null,"d":null})"},
       {R"({"a":1})", R"({"b":null})", R"({"a":1,"b":null,"c":null,"d":null})", "{}"}},
      {R"({"type": "object", "unevaluatedProperties": false})", {"{}"}, {R"({"a":1})"}},
      {R"({"type": "object", "unevaluatedProperties": true})", {"{}", R"({"a":1})"}, {"[]"}},
      {R"({"type": "object", "patternProperties": {}})", {R"({"a":1})"}, {"[]"}},
      // Names of properties.
      {R"({"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": {"type": "integer"}})",
       {"{}", R"({"a":1,"b":2})"},
       {R"({"a":""})"}},
      {R"({"type": "object", "propertyNames": {"pattern": "^x-"}, "additionalProperties": {"type": "integer"}})",
       {R"({"x-a":1,"x-":2})"},
       {R"({"a":1})"}},
      {R"({"type": "object", "propertyNames": {"enum": ["a", "b"]}, "additionalProperties": {"type": "integer"}})",
       {"{}", R"({"a":1,"b":2})", R"({"b":2})"},
       {R"({"c":1})", R"({"a":1,"a":1})"}},
      {R"({"type": "object", "propertyNames": {"anyOf": [{"const": "a"}, {"maxLength": 1}]}, "properties": {"abc": {}, "x": {}}, "additionalProperties": true})",
       {R"({"x":1,"a":2,"b":3})"},
       {R"({"abc":1})", R"({"bb":1})", R"({"a":1,"x":1})"}},
      // One that needs others.
      {R"({"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "dependentRequired": {"a": ["b"], "c": []}})",
       {"{}", R"({"a":1,"b":2})", R"({"b":2})", R"({"c":2})"},
       {R"({"a":1})", R"({"a":1,"c":2})"}},
      {R"({"type": "object", "properties": {"a": {}, "b": {}}, "dependencies": {"a": {"properties": {"b": {"type": "null"}}, "required": ["b"]}}})",
       {"{}", R"({"a":1,"b":null})", R"({"b":2})"},
       {R"({"a":1})", R"({"a":1,"b":2})"}},
      {R"({"type": "object", "dependentRequired": {"a": ["b"]}})", {R"({"c":1})", R"({"b":1,"a":1})"}, {R"({"a":1})"}},
      // Arrays.
      {R"({"type": "array", "items": {"type": "integer"}})",
       {"[]", "[1]", "[1, 2,3]", "[ 1 ]"},
       {"[\"a\"]", "[1,]", "[,1]", "[1 2]"}},
      {R"({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3})",
       {"[1,2]", "[1,2,3]"},
       {"[1]", "[1,2,3,4]", "[]"}},
      {R"({"type": "array", "maxItems": 0})", {"[]"}, {"[1]"}},
      {R"({"type": "array", "minItems": 1})", {"[null]"}, {"[]"}},
      {R"({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]})",
       {"[]", "[1]", R"([1,"a"])"},
       {R"([1,"a",2])", R"(["a"])"}},
      {R"({"type": "array", "prefixItems": [{"type": "integer"}], "items": {"type": "null"}, "minItems": 2, "maxItems": 3})",
       {"[1,null]", "[1,null,null]"},
       {"[1]", "[1,1]", "[1,null,null,null]"}},
      {R"({"type": "array", "items": [{"type": "integer"}], "additionalItems": false, "minItems": 1})",
       {"[1]"},
       {"[]", "[1,1]"}},
      {R"({"type": "array", "items": false})", {"[]"}, {"[1]"}},
      {R"({"type": "array", "prefixItems": [{}, {}], "maxItems": 1})", {"[]", "[1]"}, {"[1,1]"}},
      {R"({"type": "array", "items": []})", {"[]", "[1]"}, {"{}"}},
      {R"({"type": "array", "unevaluatedItems": false})", {"[]"}, {"[1]"}},
      {R"({"type": "array", "unevaluatedItems": {}})", {"[1]"}, {"1"}},
      {R"({"type": "array", "items": {"enum": ["a", "b", "c", "a"]}, "uniqueItems": true})",
       {"[]", R"(["a"])", R"(["a", "c"])", R"(["a","b","c"])"},
       {R"(["a","a"])", R"(["b","a"])", R"(["d"])"}},
      {R"({"type": "array", "items": {"anyOf": [{"enum": [1, 2, 3]}, {"const": null}]}, "uniqueItems": true, "minItems": 2, "maxItems": 3})",
       {"[1,2]", "[2,3,null]"},
       {"[1]", "[1,2,3,null]", "[1,1]", "[]"}},
      {R"({"type": "array", "items": {"type": "string"}, "uniqueItems": true, "maxItems": 1})",
       {"[]", R"(["a"])"},
       {"[1]"}},
      // Strings.
      {R"({"type": "string", "minLength": 2, "maxLength": 3})",
       {R"("ab")", R"("\u00e9中")", R"("\n\ud83d\ude00a")"},
       {R"("a")", R"("abcd")"}},
      {R"({"type": "string", "minLength": 3})", {R"("abc")", R"("abcdefgh")"}, {R"("ab")"}},
      {R"({"type": "string", "pattern": "^[a-z]+-\\d{2}$"})",
       {R"("ab-12")"},
       {R"("ab-1")", R"("AB-12")", R"("xab-123")"}},
      {R"({"type": "string", "pattern": "b"})", {R"("abc")", R"("b")"}, {R"("ac")", R"("")"}},
      {R"({"type": "string", "pattern": "^a*$", "minLength": 2, "maxLength": 3})",
       {R"("aa")", R"("aaa")"},
       {R"("a")", R"("aaaa")"}},
      {R"({"pattern": "^\\d$"})", {R"("1")"}, {"1"}},
      {R"({"type": "string", "format": "date"})",
       {R"("2024-02-29")", R"("1999-12-31")", R"("2000-02-29")"},
       {R"("2023-02-29")", R"("1900-02-29")", R"("2024-13-01")", R"("2024-04-31")", R"("24-01-01")"}},
      {R"({"type": "string", "format": "time"})",
       {R"("23:59:59Z")", R"("00:00:00.5+01:00")"},
       {R"("24:00:00Z")", R"("1:00:00Z")", R"("10:00:00")"}},
      {R"({"type": "string", "format": "date-time"})",
       {R"("2024-01-31T00:00:00Z")"},
       {R"("2024-01-31")", R"("2024-01-32T00:00:00Z")"}},
      {R"({"type": "string", "format": "duration"})",
       {R"("P1Y2M3DT4H5M6S")", R"("PT1M")", R"("P2W")"},
       {R"("P")", R"("PT")", R"("1Y")"}},
      {R"({"type": "string", "format": "uuid"})", {R"("123e4567-e89b-12d3-a456-426614174000")"}, {R"("123e4567")"}},
      {R"({"type": "string", "format": "email"})", {R"("a.b+c@example.org")"}, {R"("a@")", R"("@b")", R"("a b@c.d")"}},
      {R"({"type": "string", "format": "hostname"})", {R"("a-b.example")"}, {R"("-a")", R"("a..b")"}},
      {R"({"type": "string", "format": "ipv4"})",
       {R"("192.168.0.1")", R"("255.255.255.255")"},
       {R"("256.0.0.1")", R"("1.2.3")", R"("01.2.3.4")"}},
      {R"({"type": "string", "format": "ipv6"})",
       {R"("::")", R"("::1")", R"("fe80::1:2")", R"("1:2:3:4:5:6:7:8")", R"("1::")", R"("1:2:3:4:5:6:7::")"},
       {R"("1:2:3:4:5:6:7")", R"(":::")", R"("1::2::3")", R"("1:2:3:4:5:6:7:8:9")", R"("12345::")"}},
      {R"({"type": "string", "format": "uri"})",
       {R"("https://a.b/c?d=%20#e")", R"("mailto:a@b")"},
       {R"("//a.b")", R"("http:")", R"("a b:c")"}},
      // Numbers.
      {R"({"type": "integer", "minimum": -5, "maximum": 120})",
       {"-5", "0", "7", "99", "100", "120"},
       {"-6", "121", "200", "-0", "-10", "1000"}},
      {R"({"type": "integer", "exclusiveMinimum": 9, "exclusiveMaximum": 100})", {"10", "99"}, {"9", "100"}},
      {R"({"type": "integer", "minimum": 9, "exclusiveMinimum": true})", {"10", "123456789012345678"}, {"9", "-10"}},
      {R"({"type": "integer", "minimum": 0.5, "maximum": 2.5})", {"1", "2"}, {"0", "3"}},
      {R"({"type": "integer", "format": "int32"})", {"2147483647", "-2147483648"}, {"2147483648", "-2147483649"}},
      {R"({"type": "number", "minimum": 0.25, "maximum": 10})",
       {"0.25", "0.250", "0.3", "1", "9.99", "10", "10.0"},
       {"0.2", "0.24999", "10.01", "11", "-1", "1e1", "0.", "00.3"}},
      {R"({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1})",
       {"0.1", "0.99999", "0.00001"},
       {"0", "1", "0.0", "1.0", "-0.5"}},
      {R"({"type": "number", "minimum": -1.5, "maximum": -0.5})",
       {"-0.5", "-1", "-1.5", "-1.49"},
       {"-0.4", "-1.51", "0", "-2", "1"}},
      {R"({"type": "number", "minimum": -1, "maximum": 1})", {"-1", "0", "1", "-0.5", "0.5"}, {"-1.1", "1.1", "-0"}},
      {R"({"type": "number", "multipleOf": 0.01})", {"1.25", "3", "-0.5"}, {"1.255", "1e2"}},
      {R"({"type": "number", "multipleOf": 1})", {"3"}, {"3.5", "3.0"}},
      {R"({"minimum": 1e-300, "maximum": 1e300, "type": "number"})", {"0.00001", "123456789012345678"}, {"0", "-1"}},
      {R"({"type": "integer", "multipleOf": 7})", {"0", "7", "-7", "14", "999999"}, {"1", "-0", "8", "07", "70.0"}},
      {R"({"type": "integer", "multipleOf": 64, "minimum": 100, "maximum": 70000})",
       {"128", "1024", "69952"},
       {"64", "100", "70016", "0", "-128"}},
      {R"({"type": "number", "multipleOf": 0.25, "exclusiveMinimum": 0})",
       {"0.25", "1", "1.5", "1.50", "2.0", "10.75"},
       {"0", "0.0", "-1", "0.1", "1.3", "1.", "1.250"}},
      {R"({"type": "integer", "multipleOf": 2.5})", {"5", "-10"}, {"2", "7", "2.5"}},
      {R"({"type": "integer", "allOf": [{"multipleOf": 6}, {"multipleOf": 4}]})", {"12", "0"}, {"6", "4"}},
      {R"({"type": "integer", "minimum": 1.0, "maximum": 18446744073709551615})", {"1", "99"}, {"0", "1.0"}},
      // enum, const.
      {R"({"const": "a", "enum": ["a"], "type": "string"})", {"\"a\""}, {"\"b\""}},
      {R"({"const": 3, "enum": [1, 3]})", {"3"}, {"1"}},
      {R"({"enum": [1, 1.0, 2.5]})", {"1", "2.5"}, {"1.0"}},
      {R"({"enum": ["a", 1, null, true, [1, {"b": 2}], 2.5, 3.0]})",
       {"\"a\"", "1", "null", "true", "[1,{\"b\":2}]", "[ 1, {\n \"b\": 2}]", "2.5", "3"},
       {"\"b\"", "2", "false", "[1]"}},
      {R"({"type": "string", "enum": ["a", 1]})", {"\"a\""}, {"1"}},
      {R"({"enum": [1, 5, 10], "minimum": 3, "type": "integer"})", {"5", "10"}, {"1"}},
      {R"({"enum": ["a", "bb", "cc"], "pattern": "^b|c", "maxLength": 2})", {"\"bb\"", "\"cc\""}, {"\"a\""}},
      {R"({"const": 100000000000000000001})", {"100000000000000000001"}, {"1e+20", "100000000000000000000"}},
      {R"({"enum": [1, -100000000000000000001, [18446744073709551616]], "minimum": 0})",
       {"1"},
       {"-100000000000000000001"}},
      {R"({"enum": [[18446744073709551616]]})", {"[18446744073709551616]"}, {"[1.8446744073709552e+19]"}},
      {R"({"type": "integer", "minimum": 5, "maximum": 340282366920938463463374607431768211455})",
       {"5", "1000"},
       {"4"}},
      {R"({"const": {"a": []}})", {"{\"a\":[]}"}, {"{}"}},
      {R"({"const": "\u00e9\"\n"})", {R"("é\"\n")"}, {R"("e")"}},
      // Combinations.
      {R"({"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 1}]})", {"1", "\"a\""}, {"\"ab\"", "null"}},
      {R"({"oneOf": [{"const": 1}, {"const": 2}], "description": "x"})", {"1", "2"}, {"3"}},
      {R"({"allOf": [{"properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"properties": {"b": {"type": "null"}, "a": {"minimum": 3}}}]})",
       {R"({"a":3})", R"({"a":4,"b":null})"},
       {R"({"a":2})", R"({"b":null})"}},
      {R"({"type": "object", "properties": {"k": {"type": "string"}}, "anyOf": [{"properties": {"k": {"const": "x"}, "n": {"type": "integer"}}, "required": ["n"]}, {"properties": {"k": {"const": "y"}}}]})",
       {R"({"k":"x","n":1})", R"({"k":"y"})"},
       {R"({"k":"x"})", R"({"k":"z"})"}},
      {R"({"type": "integer", "anyOf": [{"minimum": 5}, {"maximum": -5}]})", {"5", "-5"}, {"0"}},
      {R"({"allOf": [{"enum": [1, 2, 3]}, {"enum": [2, 3, 4]}], "maximum": 2})", {"2"}, {"1", "3", "4"}},
      {R"({"anyOf": [{"not": {}}, {"type": "string"}]})", {"\"a\""}, {"1"}},
      {R"({"not": false, "type": "null"})", {"null"}, {"1"}},
      {R"({"if": {"type": "null"}, "type": "integer"})", {"1"}, {"null"}},
      {R"({"then": {"type": "null"}, "type": "integer", "minContains": 3, "contentSchema": {}})", {"1"}, {"null"}},
      // References.
      {R"({"type": "array", "items": {"$recursiveRef": "#"}})", {"[]", "[[]]"}, {"[1]"}},
      {R"({"$defs": {"n": {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"$ref": "#/$defs/n"}}, "required": ["v"]}}, "$ref": "#/$defs/n"})",
       {R"({"v":1})", R"({"v":1,"next":{"v":2,"next":{"v":3}}})"},
       {R"({"next":{"v":1}})", R"({"v":1,"next":{}})"}},
      {R"({"definitions": {"a/b~c d": {"type": "null"}}, "properties": {"x": {"$ref": "#/definitions/a~1b~0c%20d"}}})",
       {R"({"x":null})"},
       {R"({"x":1})"}},
      {R"({"type": "array", "items": {"$ref": "#"}})", {"[]", "[[],[[]]]"}, {"[1]"}},
      {R"({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"$ref": "#"}}, {"$ref": "#"}]})",
       {"1", "[1,[2]]"},
       {"null"}},
      {R"({"$ref": "#/$defs/s", "minLength": 2, "$defs": {"s": {"type": "string"}}})", {"\"ab\""}, {"\"a\""}},
      {R"({"properties": {"t": {"$ref": "#/properties/u"}, "u": {"type": "integer"}}, "x-order": 1, "title": "t", "default": {}})",
       {R"({"t":1,"u":2})"},
       {R"({"t":""})"}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.schema);
    std::shared_ptr<const Grammar> grammar;
    ASSERT_NO_THROW(grammar = Of(c.schema));
    for (const std::string& text : c.fit) {
      EXPECT_TRUE(grammar->Matches(text)) << text;
      EXPECT_TRUE(Json::accept(text)) << text;
    }
    for (const std::string& text : c.misfit) EXPECT_FALSE(grammar->Matches(text)) << text;
  }
}

// The standard has keywords and formats that are not known described as annotations: they restrict nothing.
TEST(JsonSchemaTest, WhatIsNotKnownIsAnAnnotation) {
  const auto plain = Of(R"({"type": "string", "enum": ["a", "b"]})");
  for (const char* keyword : {"enumDescriptions", "markdownDescription", "propertyOrdering", "errorMessage", "x-order",
                              "$comment", "deprecated", "examples", "$anchor", "$vocabulary", "contentSchema", "xml",
                              "optional", "strict", "title", "minimun"}) {
    for (const Json& value :
         {Json("x"), Json(3), Json{{"not", {{"type", "null"}}}}, Json::array({1, nullptr}), Json()}) {
      Json schema = {{"type", "string"}, {"enum", {"a", "b"}}};
      schema[keyword] = value;
      std::shared_ptr<const Grammar> grammar;
      ASSERT_NO_THROW(grammar = JsonSchemaGrammar(schema, "s")) << schema;
      EXPECT_TRUE(grammar->Matches("\"a\"")) << schema;
      EXPECT_FALSE(grammar->Matches("\"c\"")) << schema;
    }
  }
  for (const char* format :
       {"uint32", "uint", "uri-reference", "phone", "json-pointer", "binary", "enum", "cidrv4", ""}) {
    const auto any = JsonSchemaGrammar({{"format", format}}, "s");
    EXPECT_TRUE(any->Matches("1") && any->Matches("\"x\"") && any->Matches("{}")) << format;
    const auto bounded = JsonSchemaGrammar({{"type", "integer"}, {"format", format}, {"minimum", 0}}, "s");
    EXPECT_TRUE(bounded->Matches("7")) << format;
    EXPECT_FALSE(bounded->Matches("-7") || bounded->Matches("\"x\"")) << format;
  }
  // A null where a schema or a list belongs says that there is none.
  const auto nulls = Of(
      R"({"type": "object", "properties": {"a": {"type": "integer", "enum": null, "minimum": null, "items": null}}, "required": null, "anyOf": null, "additionalProperties": null})");
  EXPECT_TRUE(nulls->Matches(R"({"a":1})"));
  EXPECT_FALSE(nulls->Matches(R"({"a":""})"));
  EXPECT_TRUE(Of(R"({"const": null})")->Matches("null"));
  // Gemini's spelling of types.
  const auto upper = Of(R"({"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": true}}})");
  EXPECT_TRUE(upper->Matches(R"({"a":null})"));
  EXPECT_FALSE(upper->Matches(R"({"a":1})"));
}

// What zod, pydantic and schemars write for everyday types, as agents' tools carry it.
TEST(JsonSchemaTest, SchemasOfOtherTools) {
  const std::vector<Case> cases = {
      // pydantic: HttpUrl, Decimal, set[Literal], Literal of releases before 2.10, timedelta, SecretStr,
      // discriminators.
      {R"({"type": "string", "format": "uri", "minLength": 1, "maxLength": 2083})",
       {R"("https://a.b/c?d")"},
       {R"("a b")"}},
      {R"({"anyOf": [{"type": "number"}, {"type": "string", "pattern": "^(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d*$"}]})",
       {"1.5", R"("-1.50")"},
       {R"("-")", R"("x")"}},
      {R"({"type": "array", "uniqueItems": true, "items": {"enum": ["r", "w"], "type": "string"}})",
       {"[]", R"(["r", "w"])"},
       {R"(["r","r"])"}},
      {R"({"const": "cat", "enum": ["cat"], "title": "Kind", "type": "string"})", {R"("cat")"}, {R"("dog")"}},
      {R"({"format": "duration", "type": "string"})", {R"("PT5M")"}, {R"("5")"}},
      {R"({"format": "password", "type": "string", "writeOnly": true})", {R"("x")"}, {"1"}},
      {R"({"$defs": {"Cat": {"properties": {"kind": {"const": "cat", "type": "string"}, "lives": {"default": 9, "type": "integer"}}, "required": ["kind"], "title": "Cat", "type": "object"}, "Dog": {"properties": {"kind": {"const": "dog", "type": "string"}}, "required": ["kind"], "type": "object"}}, "discriminator": {"mapping": {"cat": "#/$defs/Cat", "dog": "#/$defs/Dog"}, "propertyName": "kind"}, "oneOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]})",
       {R"({"kind":"cat","lives":3})", R"({"kind":"dog"})"},
       {R"({"kind":"dog","lives":3})", "{}"}},
      {R"({"additionalProperties": {"anyOf": [{"type": "string"}, {"type": "null"}]}, "type": "object", "default": {}})",
       {"{}", R"({"a":null,"b":"x"})"},
       {R"({"a":1})"}},
      {R"({"maxItems": 2, "minItems": 2, "prefixItems": [{"type": "integer"}, {"type": "string"}], "type": "array"})",
       {R"([1, "a"])"},
       {"[1]"}},
      // zod: records, optional by "not", ISO times and addresses with format and pattern, safe integers, never.
      {R"({"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": {}})",
       {R"({"a":[1]})"},
       {"1"}},
      {R"({"type": "object", "propertyNames": {"type": "string", "enum": ["a", "b"]}, "additionalProperties": {"type": "number"}, "required": ["a", "b"]})",
       {R"({"a":1,"b":2})"},
       {R"({"a":1})"}},
      {R"({"type": "object", "properties": {"a": {"anyOf": [{"not": {}}, {"type": "string"}]}, "never": {"not": {}}}, "additionalProperties": false})",
       {"{}", R"({"a":"x"})"},
       {R"({"never":1})"}},
      {R"({"type": "string", "format": "date-time", "pattern": "^(?:(?:\\d\\d[2468][048]|\\d\\d[13579][26]|\\d\\d0[48]|[02468][048]00|[13579][26]00)-02-29|\\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|(?:02)-(?:0[1-9]|1\\d|2[0-8])))T(?:(?:[01]\\d|2[0-3]):[0-5]\\d(?::[0-5]\\d(?:\\.\\d+)?)?(?:Z))$"})",
       {R"("2024-02-29T10:00:00Z")"},
       {R"("2023-02-29T10:00:00Z")", R"("2024-02-29T10:00:00+01:00")"}},
      {R"({"type": "string", "format": "email", "pattern": "^(?!\\.)(?!.*\\.\\.)([A-Za-z0-9_'+\\-\\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\\-]*\\.)+[A-Za-z]{2,}$"})",
       {R"("a.b@example.org")"},
       {R"("a..b@example.org")", R"("a@b")"}},
      {R"({"type": "string", "format": "uuid", "pattern": "^([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}|00000000-0000-0000-0000-000000000000|ffffffff-ffff-ffff-ffff-ffffffffffff)$"})",
       {R"("123e4567-e89b-12d3-a456-426614174000")"},
       {R"("123e4567-e89b-02d3-a456-426614174000")"}},
      {R"({"type": "integer", "exclusiveMinimum": 0, "maximum": 9007199254740991})", {"1"}, {"0", "9007199254740992"}},
      {R"({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": {"t": {"type": "array", "items": [{"type": "string"}, {"type": "number"}], "minItems": 2, "maxItems": 2}, "n": {"type": ["string", "null"]}, "p": {"type": "number", "multipleOf": 0.5, "minimum": 0, "exclusiveMaximum": true, "maximum": 2}}, "additionalProperties": false})",
       {R"({"t":["a",1],"n":null,"p":1.5})"},
       {R"({"p":2})", R"({"p":1.2})", R"({"t":["a"]})"}},
      // schemars, Gemini, VS Code.
      {R"({"type": "integer", "format": "uint32", "minimum": 0.0})", {"0", "7"}, {"-1"}},
      {R"({"type": ["integer", "null"], "format": "uint64", "minimum": 0})", {"0", "null"}, {"-1"}},
      {R"({"type": "OBJECT", "properties": {"a": {"type": "STRING", "format": "enum", "enum": ["x", "y"]}}, "propertyOrdering": ["a"], "required": ["a"]})",
       {R"({"a":"x"})"},
       {R"({"a":"z"})"}},
      {R"({"type": "string", "enum": ["a", "b"], "enumDescriptions": ["x", "y"], "markdownDescription": "m", "errorMessage": "e"})",
       {R"("a")"},
       {R"("c")"}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.schema);
    std::shared_ptr<const Grammar> grammar;
    EXPECT_EQ(ErrorOf(c.schema), "");
    if (ErrorOf(c.schema).empty()) grammar = Of(c.schema);
    for (const std::string& text : c.fit) EXPECT_TRUE(grammar && grammar->Matches(text)) << text;
    for (const std::string& text : c.misfit) EXPECT_FALSE(grammar && grammar->Matches(text)) << text;
  }
}

TEST(JsonSchemaTest, ErrorsNameTheKeywordAndItsPlace) {
  const std::pair<std::string, std::string> cases[] = {
      {R"({"properties": {"a/b": {"not": {"type": "null"}}}})",
       "the schema: #/properties/a~1b/not: the keyword not is not supported"},
      {R"({"items": {"contains": {}}})", "#/items/contains: the keyword contains is not supported"},
      {R"({"anyOf": [{}, {"if": {}, "then": {}}]})", "#/anyOf/1/if: the keyword if is not supported"},
      {R"({"patternProperties": {"^a": {}}})", "#/patternProperties: the keyword patternProperties is not supported"},
      {R"({"$defs": {"a": {"dependentRequired": []}}, "$ref": "#/$defs/a"})", "#/$defs/a/dependentRequired"},
      {R"({"unevaluatedProperties": {"type": "null"}})",
       "#/unevaluatedProperties: the keyword unevaluatedProperties is"},
      {R"({"unevaluatedItems": {"type": "null"}})", "#/unevaluatedItems: the keyword unevaluatedItems is"},
      {R"({"items": {"$dynamicRef": "#x"}})", "#/items/$dynamicRef"},
      {R"({"uniqueItems": true})", "#/uniqueItems: items that differ are only supported where enum lists the items"},
      {R"({"type": "text"})", "#/type: \"text\" is no type; there are null, boolean"},
      {R"({"type": []})", "#/type"},
      {R"({"type": ["string", "any"]})", "#/type: \"any\" is no type"},
      {R"x({"pattern": "(?=a)"})x", "#/pattern: the pattern"},
      {R"({"multipleOf": 4001})", "#/multipleOf: only 1, 0.1, 0.01, ... and up to 444 times these"},
      {R"({"multipleOf": 0})", "#/multipleOf: a number above 0"},
      {R"({"allOf": [{"multipleOf": 401}, {"multipleOf": 397}]})", "#/allOf/0/multipleOf: only 1, 0.1"},
      {R"({"minLength": -1})", "#/minLength: a whole number"},
      {R"({"maxItems": 1.5})", "#/maxItems"},
      {R"({"maxLength": 100000000})", "#/maxLength: 100000000 is more than"},
      {R"({"maxLength": 100000000000000000000})", "#/maxLength: 100000000000000000000 is more than"},
      {R"({"minimum": "1"})", "#/minimum: a number"},
      {R"({"enum": []})", "#/enum: a list of at least one"},
      {R"({"properties": {"a": 1}})", "#/properties/a: a schema is an object, true or false"},
      {R"({"required": "a"})", "#/required"},
      {R"({"$ref": "other.json"})", "#/$ref: \"other.json\" cannot be followed"},
      {R"({"$ref": "#/$defs/x"})", "leads nowhere: there is no \"$defs\""},
      {R"({"$ref": "#"})", "refers to itself"},
      {R"({"allOf": [{"$ref": "#"}]})", "refers to itself"},
      {R"({"enum": [[1]], "items": {"type": "string"}})", "together with other keywords"},
      {"false", "the schema: nothing is allowed"},
      {R"({"type": "integer", "minimum": 2, "maximum": 1})", "nothing is allowed"},
      {R"({"type": "string", "minLength": 2, "maxLength": 1})", "nothing is allowed"},
      {R"({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]})", "nothing is allowed"},
      {R"({"required": ["a"], "additionalProperties": false})", "nothing is allowed"},
      {"[]", "a schema is an object"},
      {"\"x\"", "a schema is an object"},
  };
  for (const auto& [schema, message] : cases) EXPECT_THAT(ErrorOf(schema), HasSubstr(message)) << schema;
}

TEST(JsonSchemaTest, IsBoundedAgainstHostileSchemas) {
  // Alternatives that multiply.
  std::string all = R"({"allOf": [)";
  for (int i = 0; i < 20; ++i)
    all += std::string(i > 0 ? "," : "") + R"({"anyOf": [{"minimum": )" + std::to_string(i) + R"(}, {"maximum": 9}]})";
  EXPECT_THAT(ErrorOf(all + "]}"), HasSubstr("alternatives"));
  // References that double at every step.
  Json doubling = {{"$ref", "#/$defs/d0"}};
  for (int i = 0; i < 40; ++i) {
    const std::string next = "#/$defs/d" + std::to_string(i + 1);
    doubling["$defs"]["d" + std::to_string(i)] = {{"anyOf", {{{"$ref", next}}, {{"$ref", next}, {"title", "x"}}}}};
  }
  doubling["$defs"]["d40"] = {{"type", "null"}};
  EXPECT_THAT(ErrorOf(doubling.dump()), HasSubstr("alternatives"));
  // Depth.
  std::string deep = "{}";
  for (int i = 0; i < 200; ++i) deep = R"({"items":)" + deep + "}";
  EXPECT_EQ(ErrorOf(deep), "");
  // Many properties, long names, large enumerations, large literals.
  Json wide = {{"type", "object"}};
  for (int i = 0; i < 513; ++i) wide["properties"]["p" + std::to_string(i)] = true;
  EXPECT_THAT(ErrorOf(wide.dump()), HasSubstr("more than 512 properties"));
  wide["properties"].erase("p0");
  const auto grammar = JsonSchemaGrammar(wide, "wide");
  EXPECT_TRUE(grammar->Matches(R"({"p1":1,"p400":2,"p512":3})"));
  EXPECT_THAT(ErrorOf(Json({{"const", std::string(300'000, 'x')}}).dump()), HasSubstr("too large"));
  Json values = {{"enum", Json::array()}};
  for (int i = 0; i < 5000; ++i) values["enum"].push_back("value " + std::to_string(i));
  EXPECT_TRUE(JsonSchemaGrammar(values, "values")->Matches("\"value 4999\""));
  Json twice = {{"allOf", {values, values}}};
  EXPECT_THAT(ErrorOf(twice.dump()), HasSubstr("too long"));
  Json lengths = {{"type", "string"}, {"anyOf", Json::array()}};
  for (int i = 1; i < 300; ++i) lengths["anyOf"].push_back({{"pattern", "^a*b"}, {"minLength", i}});
  EXPECT_THAT(ErrorOf(lengths.dump()), HasSubstr("patterns to combine"));
  Json together = {{"allOf", Json::array()}};
  for (int i = 0; i < 300; ++i) together["allOf"].push_back({{"minimum", i}});
  EXPECT_THAT(ErrorOf(together.dump()), HasSubstr("more than 200 schemas that hold together"));
  Json patterns = {{"anyOf", Json::array()}};
  for (int i = 0; i < 65; ++i) patterns["anyOf"].push_back({{"pattern", "a{" + std::to_string(i) + "}"}});
  EXPECT_THAT(ErrorOf(patterns.dump()), HasSubstr("more than 64 different patterns"));
  // A pattern with a long maximum holds shorter texts; with a long minimum there are none that could be held.
  const auto longest = Of(R"({"pattern": "^a", "maxLength": 100000})");
  EXPECT_TRUE(longest->Matches("\"a" + std::string(600, 'x') + "\""));
  EXPECT_FALSE(longest->Matches("\"b\"") || longest->Matches("\"a" + std::string(100000, 'x') + "\""));
  EXPECT_THAT(ErrorOf(R"({"pattern": "^a", "minLength": 100000})"),
              HasSubstr("pattern and minLength or maxLength together"));
}

// A schema that can hold large counts without large grammars.
TEST(JsonSchemaTest, CountsAreCounters) {
  const auto grammar = Of(
      R"({"type": "array", "items": {"type": "string", "maxLength": 100000}, "minItems": 1000, "maxItems": 1000000})");
  EXPECT_LT(grammar->nodes(), 1000u);
  std::string text = "[\"" + std::string(100000, 'x') + "\"";
  for (int i = 1; i < 1000; ++i) text += ",\"\"";
  EXPECT_TRUE(grammar->Matches(text + "]"));
  EXPECT_FALSE(grammar->Matches("[\"x" + text.substr(2) + "]"));
  EXPECT_FALSE(grammar->Matches(text.substr(0, text.size() - 3) + "]"));
}

TEST(JsonSchemaTest, WhiteSpaceIsBounded) {
  const auto grammar =
      Of(R"({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "null"}}}, "required": ["a"]})");
  EXPECT_TRUE(grammar->Matches("{\n  \"a\": [\n    null,\n    null\n  ]\n}"));
  EXPECT_TRUE(grammar->Matches("{\n\t\"a\": [\n\t\tnull\n\t]\n}"));
  EXPECT_FALSE(grammar->Matches("\n{\"a\":[]}"));
  EXPECT_FALSE(grammar->Matches("{  \"a\":[]}"));
  EXPECT_FALSE(grammar->Matches("{\n\n\"a\":[]}"));
  EXPECT_FALSE(grammar->Matches("{\"a\" :[]}"));
  EXPECT_FALSE(grammar->Matches("{\"a\":  []}"));
  EXPECT_FALSE(grammar->Matches("{\"a\":[]} "));
  EXPECT_FALSE(grammar->Matches("{\n" + std::string(33, ' ') + "\"a\":[]}"));
  GrammarBuilder b;
  const auto line = b.Build(AnyJsonValue(b, JsonLayout::kOneLine));
  EXPECT_TRUE(line->Matches("{\"a\": [1, {}]}"));
  EXPECT_FALSE(line->Matches("{\n\"a\":1}"));
}

TEST(JsonSchemaTest, DeepNestingStopsBeforeTheLimitAndCloses) {
  const auto grammar = JsonObjectGrammar();
  GrammarState state = grammar->Begin(Grammar::Start::kAnswer);
  ASSERT_TRUE(grammar->Advance(&state, "{\"a\":"));
  GrammarState next;
  int depth = 0;
  while (grammar->Advance(state, '[', &next)) {
    std::swap(state, next);
    ASSERT_LT(++depth, 500);
  }
  EXPECT_GT(depth, 100);
  EXPECT_TRUE(grammar->Advance(&state, std::string(static_cast<size_t>(depth), ']') + "}"));
  EXPECT_TRUE(state.must_end());
}

// ---------------------------------------------------------------------------------------------------------------------
// Random schemas, with a validator that reads the same keywords in the plainest way.

std::wstring Wide(std::string_view utf8) {
  std::wstring text;
  while (!utf8.empty()) {
    const Utf8Step step = DecodeUtf8(utf8);
    text += static_cast<wchar_t>(step.code_point);
    utf8.remove_prefix(step.length);
  }
  return text;
}

bool Valid(const Json& schema, const Json& value, const Json& root) {
  if (schema.is_boolean()) return schema.get<bool>();
  if (schema.contains("$ref")) return Valid(root["$defs"][schema["$ref"].get<std::string>().substr(8)], value, root);
  if (schema.contains("anyOf")) {
    bool any = false;
    for (const Json& s : schema["anyOf"]) any |= Valid(s, value, root);
    return any;
  }
  if (schema.contains("enum")) {
    bool any = false;
    for (const Json& v : schema["enum"]) any |= v == value;
    return any;
  }
  const std::string type = schema["type"];
  if (type == "null") return value.is_null();
  if (type == "boolean") return value.is_boolean();
  if (type == "integer") {
    if (!value.is_number_integer()) return false;
    const int64_t v = value.get<int64_t>();
    return v >= schema.value("minimum", INT64_MIN) && v <= schema.value("maximum", INT64_MAX) &&
           v % schema.value("multipleOf", int64_t{1}) == 0;
  }
  if (type == "number") {
    if (!value.is_number()) return false;
    const double v = value.get<double>();
    return v >= schema.value("minimum", -1e300) && v < schema.value("exclusiveMaximum", 1e300);
  }
  if (type == "string") {
    if (!value.is_string()) return false;
    const std::string text = value.get<std::string>();
    int64_t length = 0;
    for (const char c : text) length += (c & 0xc0) != 0x80;
    if (length < schema.value("minLength", 0) || length > schema.value("maxLength", 1'000'000)) return false;
    if (!schema.contains("pattern")) return true;
    return std::regex_search(Wide(text), std::wregex(Wide(schema["pattern"].get<std::string>())));
  }
  if (type == "array") {
    const auto size = static_cast<int64_t>(value.size());
    if (!value.is_array() || size < schema.value("minItems", 0) || size > schema.value("maxItems", 1'000'000))
      return false;
    for (const Json& v : value) {
      if (!Valid(schema["items"], v, root)) return false;
    }
    return true;
  }
  const auto size = static_cast<int64_t>(value.size());
  if (!value.is_object() || size < schema.value("minProperties", 0) || size > schema.value("maxProperties", 1'000'000))
    return false;
  for (const auto& [name, v] : value.items()) {
    if (schema["properties"].contains(name)) {
      if (!Valid(schema["properties"][name], v, root)) return false;
    } else if (!schema.contains("additionalProperties") || !Valid(schema["additionalProperties"], v, root)) {
      return false;
    }
  }
  for (const Json& name : schema["required"]) {
    if (!value.contains(name.get<std::string>())) return false;
  }
  return true;
}

class RandomSchemas {
 public:
  explicit RandomSchemas(uint64_t seed) : rng(seed) {}

  Json Root() {
    Json schema = Schema(3);
    if (!schema.contains("$ref")) {
      schema["$defs"] = {{"t", Object(1)}};
      return schema;
    }
    return {{"$defs", {{"t", Object(1)}}}, {"anyOf", {schema}}};
  }

  Json Object(int depth) {
    Json s = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}};
    for (uint64_t n = rng.Below(5); n > 0; --n) {
      const std::string name = rng.Pick(std::vector<std::string>{"a", "ab", "b", "\"q", "\u00e9", "c d", "abc"});
      if (s["properties"].contains(name)) continue;
      s["properties"][name] = Schema(depth - 1);
      if (rng.Chance(0.5) && !s["properties"][name].contains("$ref")) s["required"].push_back(name);
    }
    if (rng.Chance(0.3)) s["additionalProperties"] = Schema(0);
    if (rng.Chance(0.2) && s.contains("additionalProperties") && !s["additionalProperties"].contains("$ref")) {
      s["minProperties"] = s["required"].size() + rng.Below(3);
      if (rng.Chance(0.5)) s["maxProperties"] = s["minProperties"].get<uint64_t>() + rng.Below(3);
    }
    return s;
  }

  Json Schema(int depth) {
    switch (rng.Below(depth > 0 ? 11 : 8)) {
      case 0:
        return {{"type", "null"}};
      case 1:
        return {{"type", "boolean"}};
      case 2: {
        Json s = {{"type", "integer"}};
        const int64_t low = rng.Int(-1200, 1200);
        if (rng.Chance(0.7)) s["minimum"] = low;
        if (rng.Chance(0.7)) s["maximum"] = low + rng.Int(0, rng.Chance(0.5) ? 20 : 3000);
        if (rng.Chance(0.3) && !s.contains("maximum"))
          s["multipleOf"] = rng.Pick(std::vector<int64_t>{2, 5, 10, 3, 64});
        return s;
      }
      case 3: {
        Json s = {{"type", "number"}};
        const double low = static_cast<double>(rng.Int(-5000, 5000)) / 64;
        if (rng.Chance(0.6)) s["minimum"] = low;
        if (rng.Chance(0.6)) s["exclusiveMaximum"] = low + static_cast<double>(rng.Int(1, 500)) / 128;
        return s;
      }
      case 4: {
        Json s = {{"type", "string"}};
        const int64_t low = rng.Int(0, 4);
        if (rng.Chance(0.5)) s["minLength"] = low;
        if (rng.Chance(0.5)) s["maxLength"] = low + rng.Int(0, 4);
        return s;
      }
      case 5:
        return {
            {"type", "string"},
            {"pattern", rng.Pick(std::vector<std::string>{"^[a-c]*$", "b", "^a.c$", "^(ab|c){2,3}$", "^\\d+[.]\\d$"})}};
      case 6:
        return {{"enum", {"a", "ab", 1, -7, nullptr, {{"a", {1, 2}}}, "\"\\\u00e9"}}};
      case 7:
        return {{"$ref", "#/$defs/t"}};
      case 8: {
        Json s = {{"type", "array"}, {"items", Schema(depth - 1)}};
        const int64_t low = rng.Int(0, 2);
        if (rng.Chance(0.5) && !s["items"].contains("$ref")) s["minItems"] = low;
        if (rng.Chance(0.5)) s["maxItems"] = low + rng.Int(0, 3);
        return s;
      }
      case 9: {
        Json s = {{"anyOf", Json::array()}};
        for (uint64_t n = 1 + rng.Below(3); n > 0; --n) s["anyOf"].push_back(Schema(depth - 1));
        if (s["anyOf"].size() == 1) s["anyOf"].push_back({{"type", "null"}});
        return s;
      }
      default:
        return Object(depth);
    }
  }

  std::string Text() {
    std::string text;
    for (uint64_t n = rng.Below(7); n > 0; --n) {
      text += rng.Pick(std::vector<std::string>{"a", "b", "c", "ab", "1", ".", "\"", "\\", "\n", "\x01", "\u00e9",
                                                "\u4e2d", "\U0001F600"});
    }
    return text;
  }

  // A value that often fits.
  Json Value(const Json& schema, const Json& root, int depth) {
    if (schema.is_boolean() || rng.Chance(0.03))
      return rng.Pick(std::vector<Json>{nullptr, true, 1, "a", Json::array(), Json::object(), 0.5});
    if (schema.contains("$ref")) return Value(root["$defs"]["t"], root, depth - 1);
    if (schema.contains("anyOf")) return Value(schema["anyOf"][rng.Below(schema["anyOf"].size())], root, depth);
    if (schema.contains("enum")) return schema["enum"][rng.Below(schema["enum"].size())];
    const std::string type = schema["type"];
    if (type == "null") return nullptr;
    if (type == "boolean") return rng.Chance(0.5);
    if (type == "integer") {
      const int64_t at = schema.value(rng.Chance(0.5) ? "minimum" : "maximum", int64_t{0});
      return at + rng.Int(-1, 1) * (rng.Chance(0.7) ? rng.Int(0, 2) : rng.Int(0, 100000));
    }
    if (type == "number") {
      const double at = schema.value(rng.Chance(0.5) ? "minimum" : "exclusiveMaximum", 0.0);
      return at + static_cast<double>(rng.Int(-2, 2)) / 256 +
             (rng.Chance(0.3) ? static_cast<double>(rng.Int(-3, 3)) : 0);
    }
    if (type == "string") {
      if (schema.contains("pattern") && rng.Chance(0.7)) {
        return rng.Pick(
            std::vector<std::string>{"abcab", "abc", "b", "acb", "a\u00e9c", "ababc", "12.5", "cc", "", "abab"});
      }
      return Text();
    }
    if (type == "array") {
      Json value = Json::array();
      for (int64_t n = depth > 0 ? rng.Int(0, 4) : 0; n > 0; --n)
        value.push_back(Value(schema["items"], root, depth - 1));
      return value;
    }
    Json value = Json::object();
    for (const auto& [name, s] : schema["properties"].items()) {
      const bool required = std::count(schema["required"].begin(), schema["required"].end(), name) > 0;
      if (rng.Chance(required ? 0.97 : depth > 0 ? 0.5 : 0.05)) value[name] = Value(s, root, depth - 1);
    }
    if (rng.Chance(schema.contains("additionalProperties") ? 0.5 : 0.03)) {
      const std::string name = "a" + Text();
      if (!schema["properties"].contains(name))
        value[name] = Value(schema.value("additionalProperties", Json(true)), root, 0);
    }
    return value;
  }

  Rng rng;
};

TEST(JsonSchemaTest, AcceptsWhatIsValidAndNothingElse) {
  int fits = 0, misfits = 0;
  for (uint64_t seed = 0; seed < 150; ++seed) {
    RandomSchemas random(seed);
    const Json schema = random.Root();
    SCOPED_TRACE(schema.dump());
    const auto grammar = JsonSchemaGrammar(schema, "random");
    for (int i = 0; i < 40; ++i) {
      const Json value = random.Value(schema, schema, 4);
      const std::string text = value.dump(random.rng.Chance(0.5) ? -1 : 2);
      const bool valid = Valid(schema, value, schema);
      ++(valid ? fits : misfits);
      EXPECT_EQ(grammar->Matches(text), valid) << text;
    }
  }
  EXPECT_GT(fits, 1500);
  EXPECT_GT(misfits, 500);
}

// A text of random bytes that the grammar allows. Empty if it became too long.
std::string RandomWalk(const Grammar& grammar, Rng& rng) {
  GrammarState state = grammar.Begin(Grammar::Start::kAnswer), next;
  std::string text;
  while (!state.must_end() && !(state.can_end && rng.Chance(0.3))) {
    std::vector<uint8_t> bytes, closing;
    for (int byte = 0; byte < 256; ++byte) {
      if (!grammar.Advance(state, static_cast<uint8_t>(byte), &next)) continue;
      bytes.push_back(static_cast<uint8_t>(byte));
      if (byte == '"' || byte == ']' || byte == '}') closing.push_back(static_cast<uint8_t>(byte));
    }
    EXPECT_FALSE(bytes.empty()) << text;
    if (bytes.empty() || text.size() > 3000) return "";
    const bool close = !closing.empty() && rng.Chance(text.size() < 200 ? 0.3 : 0.9);
    const uint8_t byte = rng.Pick(close ? closing : bytes);
    grammar.Advance(state, byte, &next);
    std::swap(state, next);
    text += static_cast<char>(byte);
  }
  return text;
}

TEST(JsonSchemaTest, WhatItProducesIsValid) {
  int complete = 0, total = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    RandomSchemas random(1000 + seed);
    const Json schema = random.Root();
    SCOPED_TRACE(schema.dump());
    const auto grammar = JsonSchemaGrammar(schema, "random");
    for (int i = 0; i < 5; ++i) {
      const std::string text = RandomWalk(*grammar, random.rng);
      ++total;
      if (text.empty()) continue;
      ++complete;
      Json value;
      ASSERT_NO_THROW(value = Json::parse(text)) << text;
      EXPECT_TRUE(Valid(schema, value, schema)) << text;
    }
  }
  EXPECT_GT(complete, total * 9 / 10);
}

TEST(JsonSchemaTest, AnyObjectProducesObjects) {
  const auto grammar = JsonObjectGrammar();
  Rng rng(5);
  int complete = 0;
  for (int i = 0; i < 60; ++i) {
    const std::string text = RandomWalk(*grammar, rng);
    if (text.empty()) continue;
    ++complete;
    Json value;
    ASSERT_NO_THROW(value = Json::parse(text)) << text;
    EXPECT_TRUE(value.is_object());
  }
  EXPECT_GT(complete, 30);
}

}  // namespace
}  // namespace fulgur
