// What tasks about people, things and grids share: names, draws of several, lists in an instance's data, and lists and
// grids in an answer.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/rng.h"

namespace fulgur {

// First names and names of things, all different, of 3 or 4 letters. Names begin with a capital; no thing begins with a
// vowel.
std::span<const std::string_view> FirstNames();
std::span<const std::string_view> Things();

// `count` different ones in random order; count <= items.size().
std::vector<std::string> Sample(Rng& rng, std::span<const std::string_view> items, size_t count);

std::string Join(const std::vector<std::string>& items, std::string_view separator);
// "a", "a and b", "a, b and c"
std::string Enumerate(const std::vector<std::string>& items);

// Where `text` stands in `items`; -1 if it does not.
int IndexOf(const std::vector<std::string>& items, std::string_view text);

// The list under `key`. Error that names `where` and `key` if it is missing, is no list, or has not `fewest` to `most`
// entries; JsonTexts also if an entry is not a text of 1 to 60 bytes.
const Json& JsonList(const Json& data, const char* key, const std::string& where, size_t fewest, size_t most);
std::vector<std::string> JsonTexts(const Json& data, const char* key, const std::string& where, size_t fewest,
                                   size_t most);
// The same, and no text twice.
std::vector<std::string> JsonNames(const Json& data, const char* key, const std::string& where, size_t fewest,
                                   size_t most);
// The texts of a list that is itself an entry of one: ["swap", "Ann", "Bob"].
std::vector<std::string> JsonEntry(const Json& entry, const std::string& where);

// The words of an answer, in lower case: what stands between spaces, line ends and , ; : = ( ) | & without "and", "-",
// "->" and `fillers`.
std::vector<std::string> AnswerWords(std::string_view text, const std::vector<std::string_view>& fillers = {});

// The rows of a grid in an answer, without a pair of [ ] around all of it. If there are line ends or one of ; / | [ ]
// \ they separate the rows, and spaces, commas and & the cells; else spaces and commas separate the rows. Rows without
// cells are left out.
std::vector<std::string> AnswerRows(std::string_view text);

// "9:05" as minutes since midnight, -1 if it is none: h:mm or hh:mm up to 23:59.
int ParseClock(std::string_view text);
std::string ClockText(int minutes);

}  // namespace fulgur
