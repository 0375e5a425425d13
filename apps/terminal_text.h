// Text for a terminal of any width.
#pragma once

#include <string>
#include <string_view>

namespace fulgur {

// Columns of the terminal that standard output is: 80 if that is not known, 100 if it has more, as longer lines read
// badly.
int TerminalColumns();

// The text's lines broken between words so that each has at most so many columns; what follows in a line that was
// broken is indented. Words that are longer are broken where they have to be. A character counts as one column.
std::string WrapWords(std::string_view text, int columns, int indent = 0);

}  // namespace fulgur
