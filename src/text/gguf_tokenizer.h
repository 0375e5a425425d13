// The tokenizer and chat template in the metadata of a GGUF file: byte-level BPE ("gpt2" there), as llama.cpp's
// converter writes it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace fulgur {

// The keys for the tokenizer and chat template of the model folder `dir`, for a model of vocab_size rows that ends with
// eos_token_ids. Ids without a token become unused ones. An Error names what the format cannot say: another model than
// byte-level BPE, a normalizer, a splitting pattern that llama.cpp has no name for.
std::vector<std::pair<std::string, Json>> GgufTokenizerMetadata(const std::filesystem::path& dir, int64_t vocab_size,
                                                                const std::vector<int64_t>& eos_token_ids);

// Writes tokenizer.json and tokenizer_config.json into `dir` from the metadata of a file; Errors call it `where`. A
// file without a tokenizer (no tokenizer.ggml.model) writes nothing.
void WriteGgufTokenizer(const std::map<std::string, Json>& metadata, const std::string& where,
                        const std::filesystem::path& dir);

}  // namespace fulgur
