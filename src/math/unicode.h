// Unicode signs of mathematics as LaTeX.
#pragma once

#include <string>
#include <string_view>

namespace fulgur {

// "\u2264" becomes "\\le ", a run of superscripts "^{...}", full-width and styled digits and letters plain ones. Error
// for a character that is none of mathematics.
std::string FromUnicode(std::string_view text);

}  // namespace fulgur
