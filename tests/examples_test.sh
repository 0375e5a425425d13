#!/bin/bash
# Installs the library, builds examples/ against it, and holds what they print to what fulgur prints.
#   examples_test.sh SOURCE BUILD
set -euo pipefail
source=$1 build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "examples_test: $*" >&2; exit 1; }

cmake --install "$build" --prefix "$work/installed" > "$work/install.log" || { cat "$work/install.log"; fail "install"; }
cmake -S "$source/examples" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/installed" \
  > "$work/configure.log" 2>&1 || { cat "$work/configure.log"; fail "configure"; }
cmake --build "$work/build" > "$work/build.log" 2>&1 || { cat "$work/build.log"; fail "build"; }
fulgur=$work/installed/bin/fulgur model=$source/models/nano
question='What is 17 + 25? Put the answer in \boxed{}.'
answer=$("$fulgur" chat "$model" --temperature 0 --thinking hide --prompt "$question")
[[ $answer == *'\boxed{42}'* ]] || fail "chat: $answer"
example=$("$work/build/generate" "$model" "$question")
[[ $example == *"$answer" ]] || fail "generate: $example"$'\n'"chat: $answer"

printf '4 + 5 = 9' > "$work/text"
perplexity=$("$fulgur" perplexity "$model" --text "$work/text" | sed -n 's/^perplexity  *\([0-9.]*\) .*/\1/p')
example=$("$work/build/score" "$model" "$(cat "$work/text")" | tail -n 1)
[[ $example == "perplexity $perplexity of "* ]] || fail "score: $example, and fulgur perplexity: $perplexity"
said=$("$work/build/score" /nowhere x 2>&1) && fail "score: a folder that is not there"
[[ $said == "score: "*/nowhere* ]] || fail "score: the error does not name the folder: $said"

"$work/build/judge" "$model" > "$work/judged"
[[ $(wc -l < "$work/judged") == 8 ]] && grep -q '^0\.[5-9].*right, in' "$work/judged" || fail "judge: $(cat "$work/judged")"
echo "examples: generate, score and judge build against the installed package and print what they should"
