#include "envs/words.h"

#include <algorithm>
#include <array>

namespace fulgur {
namespace {

constexpr auto kWords = std::to_array<std::string_view>({
    "acorn",  "actor", "angle",  "apple",   "april",  "arrow",  "aunt",    "autumn", "baby",   "badge",  "bell",
    "bird",   "blue",  "boat",   "bread",   "bus",    "cake",   "cell",    "chair",  "city",   "cloud",  "coat",
    "cream",  "cup",   "day",    "deer",    "dish",   "dog",    "dream",   "dust",   "eagle",  "earth",  "edge",
    "egg",    "elbow", "engine", "evening", "eye",    "face",   "feather", "fish",   "flag",   "forest", "fruit",
    "fun",    "game",  "gem",    "gift",    "glass",  "gold",   "grape",   "guitar", "hand",   "heart",  "hill",
    "honey",  "huge",  "ice",    "idea",    "index",  "island", "item",    "jacket", "jewel",  "joke",   "jump",
    "kettle", "king",  "knee",   "koala",   "lamp",   "lemon",  "light",   "lock",   "lunch",  "magic",  "metal",
    "milk",   "moon",  "mud",    "name",    "nest",   "night",  "north",   "nut",    "oak",    "ocean",  "olive",
    "onion",  "open",  "orange", "otter",   "owl",    "paper",  "pear",    "piano",  "plant",  "pony",   "price",
    "puzzle", "queen", "quiet",  "rabbit",  "red",    "rhythm", "river",   "road",   "rule",   "salt",   "scarf",
    "seed",   "shoe",  "silver", "sky",     "smile",  "snow",   "soap",    "spoon",  "square", "star",   "sun",
    "swan",   "table", "tent",   "thumb",   "tiger",  "tower",  "tree",    "turtle", "twin",   "uncle",  "unit",
    "upper",  "use",   "valley", "vest",    "violin", "voice",  "wagon",   "week",   "whale",  "window", "wolf",
    "wrist",  "yard",  "year",   "young",   "zebra",  "zoo",    "ankle",   "basket", "bench",  "candle", "castle",
    "cherry", "corn",  "desk",   "door",    "drum",   "fence",  "fire",    "fork",   "garden", "glove",  "goat",
    "hammer", "horse", "jar",    "kite",    "leaf",   "lion",   "map",     "mouse",  "needle", "pencil", "pillow",
    "pocket", "radio", "ring",   "rocket",  "school", "ship",   "stone",   "sugar",  "train",  "wheel",
});

}  // namespace

std::span<const std::string_view> CommonWords() { return kWords; }

bool DifferInFirst(const std::vector<std::string>& words, size_t letters) {
  std::vector<std::string> keys;
  for (const std::string& word : words) keys.push_back(word.substr(0, letters));
  std::sort(keys.begin(), keys.end());
  return std::adjacent_find(keys.begin(), keys.end()) == keys.end();
}

}  // namespace fulgur
