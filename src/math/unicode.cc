#include "math/unicode.h"

#include <algorithm>
#include <cstdint>

#include "base/error.h"

namespace fulgur {
namespace {

struct Sign {
  std::string_view from, to;
};
// Unicode to LaTeX, read again.
constexpr Sign kSigns[] = {{"\u2212", "-"},
                           {"\u2013", "-"},
                           {"\u2014", "-"},
                           {"\u00d7", "\\times "},
                           {"\u00b7", "\\cdot "},
                           {"\u22c5", "\\cdot "},
                           {"\u2217", "*"},
                           {"\u00f7", "\\div "},
                           {"\u221a", "\\sqrt "},
                           {"\u03c0", "\\pi "},
                           {"\u2264", "\\le "},
                           {"\u2265", "\\ge "},
                           {"\u2260", "\\ne "},
                           {"\u221e", "\\infty "},
                           {"\u00b0", "\\degree "},
                           {"\u222a", "\\cup "},
                           {"\u2229", "\\cap "},
                           {"\u2208", "\\in "},
                           {"\u2205", "\\emptyset "},
                           {"\u00b1", "\\pm "},
                           {"\u2213", "\\mp "},
                           {"\u00bd", "\\frac{1}{2}"},
                           {"\u00bc", "\\frac{1}{4}"},
                           {"\u00be", "\\frac{3}{4}"},
                           {"\u2153", "\\frac{1}{3}"},
                           {"\u2154", "\\frac{2}{3}"},
                           {"\u2248", "\\approx "},
                           {"\u2032", "'"},
                           {"\u2019", "'"},
                           {"\u00a0", " "},
                           {"\u2009", " "},
                           {"\u202f", " "},
                           {"\u2002", " "},
                           {"\u2003", " "},
                           {"\u200b", ""},
                           {"\u03b1", "\\alpha "},
                           {"\u03b2", "\\beta "},
                           {"\u03b3", "\\gamma "},
                           {"\u03b4", "\\delta "},
                           {"\u03b5", "\\epsilon "},
                           {"\u03b8", "\\theta "},
                           {"\u03bb", "\\lambda "},
                           {"\u03bc", "\\mu "},
                           {"\u03c1", "\\rho "},
                           {"\u03c3", "\\sigma "},
                           {"\u03c4", "\\tau "},
                           {"\u03c6", "\\phi "},
                           {"\u03d5", "\\phi "},
                           {"\u03c9", "\\omega "},
                           {"\u0394", "\\Delta "},
                           {"\u03a9", "\\Omega "},
                           {"\u211d", "\\R "},
                           {"\u2124", "\\Z "},
                           {"\u2115", "\\N "},
                           {"\u211a", "\\Q "},
                           {"\u2102", "\\C "},
                           {"\u2026", "..."},
                           {"\u27e8", "\\langle "},
                           {"\u27e9", "\\rangle "},
                           {"\u230a", "\\lfloor "},
                           {"\u230b", "\\rfloor "},
                           {"\u2308", "\\lceil "},
                           {"\u2309", "\\rceil "},
                           {"\u2216", "\\setminus "},
                           {"\u2044", "/"},
                           {"\u20ac", ""},
                           {"\u00a3", ""},
                           {"\u00a5", ""},
                           {"\u2220", "\\angle "},
                           {"\u2261", "\\equiv "},
                           {"\u2227", "\\land "},
                           {"\u2228", "\\lor "},
                           {"\u2713", ""},
                           {"\u2714", ""},
                           {"\u2705", ""},
                           {"\u25a1", ""},
                           {"\u25a0", ""},
                           {"\u220e", ""},
                           {"\u2243", "\\approx "},
                           {"\u2245", "\\approx "},
                           {"\u2223", "|"},
                           {"\u2022", "\\cdot "},
                           {"\u2225", "||"},
                           {"\u2150", "\\frac{1}{7}"},
                           {"\u2155", "\\frac{1}{5}"},
                           {"\u2156", "\\frac{2}{5}"},
                           {"\u2157", "\\frac{3}{5}"},
                           {"\u2158", "\\frac{4}{5}"},
                           {"\u2159", "\\frac{1}{6}"},
                           {"\u215a", "\\frac{5}{6}"},
                           {"\u215b", "\\frac{1}{8}"},
                           {"\u215c", "\\frac{3}{8}"},
                           {"\u215d", "\\frac{5}{8}"},
                           {"\u215e", "\\frac{7}{8}"},
                           {"\u2126", "\\Omega "},
                           {"\u2011", "-"},
                           {"\u2010", "-"},
                           {"\u2003", " "},
                           {"\u3000", " "},
                           {"\u3002", "."},
                           {"\ufeff", ""},
                           {"\u200c", ""},
                           {"\u200d", ""},
                           {"\u2060", ""},
                           {"\u2062", ""},
                           {"\u2061", ""},
                           {"\ufe0f", ""},
                           {"\u00ae", "?"}};

// Superscripts and subscripts, whose runs are one exponent or index.
constexpr Sign kSuperscripts[] = {{"\u2070", "0"}, {"\u00b9", "1"}, {"\u00b2", "2"}, {"\u00b3", "3"}, {"\u2074", "4"},
                                  {"\u2075", "5"}, {"\u2076", "6"}, {"\u2077", "7"}, {"\u2078", "8"}, {"\u2079", "9"},
                                  {"\u207a", "+"}, {"\u207b", "-"}, {"\u207f", "n"}, {"\u2071", "i"}, {"\u02e3", "x"},
                                  {"\u1d4f", "k"}, {"\u1d50", "m"}, {"\u207d", "("}, {"\u207e", ")"}};
constexpr Sign kSubscripts[] = {{"\u2080", "0"}, {"\u2081", "1"}, {"\u2082", "2"}, {"\u2083", "3"}, {"\u2084", "4"},
                                {"\u2085", "5"}, {"\u2086", "6"}, {"\u2087", "7"}, {"\u2088", "8"}, {"\u2089", "9"},
                                {"\u2099", "n"}, {"\u2096", "k"}, {"\u2098", "m"}, {"\u2090", "a"}, {"\u2093", "x"}};

template <size_t n>
const Sign* Find(const Sign (&signs)[n], std::string_view text) {
  const Sign* sign =
      std::find_if(signs, signs + n, [&](const Sign& s) { return text.substr(0, s.from.size()) == s.from; });
  return sign == signs + n ? nullptr : sign;
}

// A run of superscripts or subscripts at `at`, as "^{...}"; at is moved behind it.
template <size_t n>
std::string Run(const Sign (&signs)[n], std::string_view text, size_t* at, char mark) {
  std::string run;
  while (const Sign* sign = Find(signs, text.substr(*at))) {
    run += sign->to;
    *at += sign->from.size();
  }
  return run.empty() ? run : std::string(1, mark) + "{" + run + "}";
}

// Full-width forms and the mathematical alphabets stand for ASCII characters; 0 for what is neither.
char Ascii(std::string_view text, size_t* bytes) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[i])); };
  if (text.size() >= 3 && byte(0) == 0xef) {
    const uint32_t code = (byte(0) & 0xf) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
    *bytes = 3;
    if (code >= 0xff01 && code <= 0xff5e) return static_cast<char>(code - 0xff01 + '!');
  }
  if (text.size() >= 4 && byte(0) == 0xf0) {
    const uint32_t code = (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f);
    *bytes = 4;
    if (code >= 0x1d7ce && code <= 0x1d7ff) return static_cast<char>('0' + (code - 0x1d7ce) % 10);
    if (code >= 0x1d400 && code < 0x1d6a4) {
      const uint32_t letter = (code - 0x1d400) % 52;
      return static_cast<char>(letter < 26 ? 'A' + letter : 'a' + (letter - 26));
    }
  }
  return 0;
}

}  // namespace

std::string FromUnicode(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size();) {
    if (static_cast<unsigned char>(text[i]) < 0x80) {
      plain += text[i++];
      continue;
    }
    size_t bytes = 0;
    if (const char ascii = Ascii(text.substr(i), &bytes); ascii != 0) {
      plain += ascii;
      i += bytes;
      continue;
    }
    if (const std::string above = Run(kSuperscripts, text, &i, '^'); !above.empty()) {
      plain += above;
      continue;
    }
    if (const std::string below = Run(kSubscripts, text, &i, '_'); !below.empty()) {
      plain += below;
      continue;
    }
    const Sign* sign = Find(kSigns, text.substr(i));
    if (sign == nullptr) throw Error("a character that no answer here contains, at byte {}", i);
    plain += sign->to;
    i += sign->from.size();
  }
  return plain;
}

}  // namespace fulgur
