// Sentences, words and languages, as the checkers need them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fulgur::instructions {

// Sentences of English text, as NLTK's Punkt finds them: ended by . ? or !, but not behind abbreviations and initials.
std::vector<std::string_view> Sentences(std::string_view text);
// Words and punctuation, as NLTK's word_tokenize cuts them (after the Penn Treebank's conventions).
std::vector<std::string> WordTokens(std::string_view text);
// \w+ of Python: runs of letters, digits and underscores.
std::vector<std::string_view> WordRuns(std::string_view text);

bool IsStopWord(const std::string& lower_word);  // of NLTK's list for English
// Syllables of an English word in lower case, by its vowels.
int CountSyllables(std::string_view word);
// Whether a sentence's first word is likely a verb.
bool MayBeVerb(const std::string& word);
bool IsEmoji(char32_t c);

// ISO 639-1 code of the language a text is written in, by script and frequent words: "und" where these do
// not tell, empty for a text without letters.
std::string DetectLanguage(std::string_view text);

}  // namespace fulgur::instructions
