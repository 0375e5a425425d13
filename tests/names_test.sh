#!/bin/bash
# Every class of a namespace of Fulgur's is defined in one file: two of one name, in two files of one program, are
# undefined behaviour that no compiler reports (the linker takes the inline members of one for both).
#   names_test.sh ROOT
set -euo pipefail
cd "$1"
found=$(find src apps -name '*.h' -o -name '*.cc' | sort | xargs awk '
  FNR == 1 { depth = 0; anonymous = 0 }
  /^namespace \{/ { anonymous = 1 }
  /^namespace [a-z:_]+ \{/ { name = $2 }
  /^\}  \/\/ namespace$/ { anonymous = 0 }
  /^(class|struct|enum class) [A-Za-z]+( final)?( :.*)? \{/ && !anonymous {
    class = $0; sub(/^(class|struct|enum class) /, "", class); sub(/[^A-Za-z].*/, "", class)
    class = name "::" class
    if (class in file && file[class] != FILENAME) print class ": " file[class] ", " FILENAME
    file[class] = FILENAME
    count++
  }
  END { if (count < 300) print "only " count " classes were found" }')
if [[ -n $found ]]; then
  echo "defined in two files:"
  echo "$found"
  exit 1
fi
