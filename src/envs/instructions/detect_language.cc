#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "envs/instructions/language.h"
#include "text/python_text.h"
#include "unicode/characters.h"

namespace fulgur::instructions {

namespace {

constexpr char kUndetermined[] = "und";  // as ISO 639-2 has it

struct Script {
  char32_t first, last;
  const char* language;  // the only one, or a group of languages: "latin", "cyrillic", "arabic", "devanagari"
};
constexpr Script kScripts[] = {
    {0x41, 0x5A, "latin"},        {0x61, 0x7A, "latin"},      {0xC0, 0x24F, "latin"}, {0x1E00, 0x1EFF, "latin"},
    {0x370, 0x3FF, "el"},         {0x400, 0x4FF, "cyrillic"}, {0x590, 0x5FF, "he"},   {0x600, 0x6FF, "arabic"},
    {0x900, 0x97F, "devanagari"}, {0x980, 0x9FF, "bn"},       {0xA00, 0xA7F, "pa"},   {0xA80, 0xAFF, "gu"},
    {0xB80, 0xBFF, "ta"},         {0xC00, 0xC7F, "te"},       {0xC80, 0xCFF, "kn"},   {0xD00, 0xD7F, "ml"},
    {0xE00, 0xE7F, "th"},         {0x1100, 0x11FF, "ko"},     {0xAC00, 0xD7A3, "ko"}, {0x3040, 0x30FF, "ja"},
    {0x4E00, 0x9FFF, "zh-cn"},
};

struct Words {
  const char* language;
  std::string_view words;         // the most frequent short ones
  std::string_view letters = "";  // that it alone has among the languages of its script
};
constexpr Words kLatin[] = {
    {"en",
     "the of and to in is that for it with as was on are be this by have from or not you at which but they we an "
     "will your can has all their i my if more about who what when so no up out our there do would how into she he "
     "over here only just than then them some "
     "these those me him her us been were its also"},
    {"de",
     "der die das und ist nicht ein eine zu den mit von im sich auf für dem des auch es an als wir ich sie wie "
     "oder aber bei nach aus werden wird sind hat über einen einer kann du dich mir zum zur"},
    {"fr",
     "le la les de des et est un une que qui dans pour pas sur avec ce il elle nous vous je en au aux du par plus "
     "mais sont être cette ou se ne son sa ses leur très"},
    {"es",
     "el la los las de que y en un una es por con para no se su al lo como más pero sus le ya o este sí porque "
     "esta entre cuando muy sin sobre también me hasta hay donde son está"},
    {"pt",
     "o a os as de que e do da em um uma para com não por mais dos das como mas foi ao ele se na no nos são também "
     "já está seu sua ou ser quando muito você pelo isso"},
    {"it",
     "il lo la i gli le di che e un una è per non con in del della dei sono si da come più anche ma alla nel questo "
     "ha al delle essere loro o molto suo sua nella"},
    {"nl",
     "de het een van en in is dat op te zijn met voor niet aan er om ook als dan maar bij uit door nog wel naar "
     "wordt of over deze ze je"},
    {"pl",
     "i w nie się na z do to jest że o jak ale po co tak za od ich przez dla są być może tylko czy jego jej oraz "
     "który które"},
    {"fi",
     "ja on ei se että oli hän joka mutta ovat kuin niin myös tai kun olla voi sen sitä mukaan jos vain ole hänen "
     "tämä sekä"},
    {"sv",
     "och att det som en på är av för med den till inte om ett han men var jag de från så har kan vi sig hade nu"},
    {"da", "og at det som en på er af for med den til ikke om et han men var jeg de fra så har kan vi sig der blev"},
    {"no", "og at det som en på er av for med den til ikke om et han men var jeg de fra så har kan vi seg ble hun"},
    {"vi", "và của là có không được cho một các trong với người này những đã để khi về như tôi bạn cũng từ rất nhiều"},
    {"sw",
     "na ya wa kwa ni katika za la kuwa hii hiyo kama yake watu lakini cha pia ili hivyo kila wao sana moja bila "
     "kutoka wakati hadi"},
    {"id",
     "dan yang di untuk dengan dari ini itu adalah pada tidak akan dalam ke sebagai juga oleh atau saya anda bisa"},
    {"tl", "ang ng sa mga na ay at ito para ko ka siya hindi kung may ni isang rin ako niya"},
    {"ro", "și de în la cu nu o un este care pe din că mai sunt pentru sau fi ce se au să"},
    {"tr", "ve bir bu için ile de da olarak daha çok gibi olan var en ne ama ya kadar sonra ben sen"},
    {"cs", "a se v na je že to s z do i o k jako ale za by po jsou pro který jeho tak nebo"},
    {"hu", "a az és hogy nem is egy van meg ez azt csak de ha már még mint volt el"},
};
constexpr Words kCyrillic[] = {
    {"ru", "и в не на что с он как это по но они мы его к из для я ты вы так же от за было все или быть бы если",
     "ы э ё"},
    {"uk", "і в не на що з він як це по але вони ми його до із для я ти ви так від за було все або бути та", "є ї ґ"},
    {"bg", "и в не на че с той като това по но те ние го към от за аз ти вие така да се е са ще или при със"},
    {"mk", "и во не на дека со тој како ова но тие ние го до од за јас ти вие така да се е ќе или при", "ј ѓ ќ"},
};
constexpr Words kArabic[] = {
    {"ar", "في من على أن إلى هذا التي الذي ما لا هو هي مع كان عن هذه كل ذلك أو و", "ة إ أ"},
    {"fa", "در از به که این را با است برای آن یک می و تا بر های هم شود کرد خود"},
    {"ur", "کے میں کی ہے اور سے کا کو نے ہیں پر یہ کہ اس ایک بھی تھا نہیں وہ ہو", "ٹ ڈ ڑ ں ے ہ"},
};
constexpr Words kDevanagari[] = {
    {"hi", "के में की है और से का को ने हैं पर यह कि इस एक भी था नहीं वह हो लिए जो कर"},
    {"mr", "आणि आहे या ते हे मध्ये नाही आहेत होते एक हा ही तो त्या साठी करण्यात आपण मी ला", "ळ"},
    {"ne", "र छ को मा हो यो पनि छन् थियो गर्न भएको लागि एक तर हामी म तपाईं गर्ने भन्ने हरू"},
};

template <size_t kCount>
std::string MostWords(const Words (&languages)[kCount], const std::string& lower) {
  std::map<std::string, int64_t, std::less<>> counts;
  for (const std::string_view word : python::SplitWords(lower)) {
    ++counts[std::string(python::Strip(word, python::kPunctuation))];
  }
  std::string best = kUndetermined;
  int64_t most = 0;
  for (const Words& language : languages) {
    int64_t found = 0;
    for (const std::string_view word : python::SplitWords(language.words)) {
      if (const auto it = counts.find(word); it != counts.end()) found += it->second;
    }
    for (const std::string_view letter : python::SplitWords(language.letters)) {
      found += static_cast<int64_t>(python::Count(lower, letter));
    }
    if (found > most) {
      most = found;
      best = language.language;
    }
  }
  return best;
}

}  // namespace

std::string DetectLanguage(std::string_view text) {
  std::map<std::string, int64_t> letters;
  for (const char32_t c : python::CodePoints(text)) {
    for (const Script& script : kScripts) {
      if (script.first <= c && c <= script.last) {
        ++letters[script.language];
        break;
      }
    }
  }
  if (letters.empty()) return "";
  // Japanese is written with Chinese characters too.
  if (letters.contains("ja") && letters.contains("zh-cn")) {
    letters["ja"] += letters["zh-cn"];
    letters.erase("zh-cn");
  }
  const auto most = std::max_element(letters.begin(), letters.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  const std::string lower = python::Lower(text);
  std::string language = most->first;
  if (language == "latin") language = MostWords(kLatin, lower);
  if (language == "cyrillic") language = MostWords(kCyrillic, lower);
  if (language == "arabic") language = MostWords(kArabic, lower);
  if (language == "devanagari") language = MostWords(kDevanagari, lower);
  return language;
}

}  // namespace fulgur::instructions
