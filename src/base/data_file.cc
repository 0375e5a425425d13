#include "base/data_file.h"

#include <glob.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/error.h"
#include "base/utf8.h"

namespace fulgur {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kGzip = "\x1f\x8b", kZstd = "\x28\xb5\x2f\xfd", kByteOrderMark = "\xef\xbb\xbf";

// Formats that are no text, by their first bytes, with what to do. {0} is the file.
struct Refused {
  std::string_view begin;
  const char* what;
  const char* instead;
};
constexpr const char* kParquet =
    "convert it: python3 -c \"import pandas; pandas.read_parquet('{0}').to_json('{0}.jsonl', orient='records', "
    "lines=True)\"";
constexpr std::array kRefused{
    Refused{"PAR1", "Parquet", kParquet},
    Refused{"ARROW1", "Arrow",
            "convert it: python3 -c \"import pandas; pandas.read_feather('{0}').to_json('{0}.jsonl', orient='records', "
            "lines=True)\""},
    Refused{"PK\x03\x04", "a ZIP archive", "unpack it: unzip '{0}'"},
    Refused{"BZh", "packed by bzip2", "unpack it: bunzip2 '{0}'"},
    Refused{"\xfd"
            "7zXZ",
            "packed by xz", "unpack it: unxz '{0}'"},
    Refused{"%PDF", "PDF", "make text of it: pdftotext '{0}'"},
    Refused{"\xff\xfe", "UTF-16", "convert it: iconv -f UTF-16 -t UTF-8 '{0}'"},
    Refused{"\xfe\xff", "UTF-16", "convert it: iconv -f UTF-16 -t UTF-8 '{0}'"},
    Refused{"SQLite format 3", "an SQLite database", "write its rows as JSON lines"},
};

std::string Instead(const char* instead, const fs::path& path) {
  std::string text = instead;
  for (size_t at; (at = text.find("{0}")) != std::string::npos;) text.replace(at, 3, path.string());
  return text;
}

[[noreturn]] void Damaged(const fs::path& path, const char* why) {
  throw Error("{}: cannot be unpacked: {}", path.string(), why);
}

// All members, one after the other.
std::string Gunzip(std::string_view bytes, const fs::path& path) {
  z_stream z{};
  if (inflateInit2(&z, 15 + 16) != Z_OK) Damaged(path, "out of memory");
  std::string out;
  std::array<char, 1 << 16> buffer{};
  int status = Z_OK;
  for (size_t at = 0;;) {
    if (z.avail_in == 0) {
      if (at == bytes.size()) break;
      const size_t part = std::min(bytes.size() - at, size_t{1} << 30);
      z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data() + at));
      z.avail_in = static_cast<uInt>(part);
      at += part;
    }
    if (status == Z_STREAM_END && inflateReset(&z) != Z_OK) break;
    z.next_out = reinterpret_cast<Bytef*>(buffer.data());
    z.avail_out = static_cast<uInt>(buffer.size());
    status = inflate(&z, Z_NO_FLUSH);
    out.append(buffer.data(), buffer.size() - z.avail_out);
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) break;
  }
  inflateEnd(&z);
  if (status != Z_STREAM_END)
    Damaged(path, status == Z_OK || status == Z_BUF_ERROR ? "it is cut off" : "it is damaged");
  return out;
}

std::string Unzstd(std::string_view bytes, const fs::path& path) {
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  std::string out;
  std::string buffer(ZSTD_DStreamOutSize(), '\0');
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  size_t left = 1;  // of the frame; 0 at its end
  for (bool full = false; in.pos < in.size || full;) {
    ZSTD_outBuffer piece{buffer.data(), buffer.size(), 0};
    left = ZSTD_decompressStream(context.get(), &piece, &in);
    if (ZSTD_isError(left) != 0) Damaged(path, ZSTD_getErrorName(left));
    out.append(buffer.data(), piece.pos);
    full = piece.pos == piece.size;
  }
  if (left != 0) Damaged(path, "it is cut off");
  return out;
}

// The ending that tells what is in the file: .jsonl of a.jsonl.gz.
std::string Kind(const fs::path& path) {
  const std::string last = path.extension().string();
  return last == ".gz" || last == ".zst" ? path.stem().extension().string() : last;
}

bool IsLines(const std::string& kind) { return kind == ".jsonl" || kind == ".ndjson" || kind == ".json"; }
bool IsText(const std::string& kind) { return kind == ".txt" || kind == ".md"; }

std::vector<fs::path> InFolder(const fs::path& folder) {
  std::vector<fs::path> files;
  std::set<std::string> others;
  for (auto it = fs::recursive_directory_iterator(folder); it != fs::recursive_directory_iterator(); ++it) {
    if (it->path().filename().string().starts_with(".")) {
      if (it->is_directory()) it.disable_recursion_pending();
      continue;
    }
    if (!it->is_regular_file()) continue;
    const std::string kind = Kind(it->path());
    if (IsLines(kind) || IsText(kind) || kind == ".parquet") {
      files.push_back(it->path());
    } else {
      others.insert(kind.empty() ? it->path().filename().string() : "*" + kind);
    }
  }
  if (files.empty()) {
    throw Error("{} holds no .txt, .md or .jsonl files, packed by gzip or zstd or not{}", folder.string(),
                others.empty() ? "" : fmt::format(", only {}", fmt::join(others, ", ")));
  }
  return files;
}

std::vector<fs::path> Matching(const fs::path& pattern) {
  glob_t found{};
  std::vector<fs::path> files;
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    for (size_t i = 0; i < found.gl_pathc; ++i) {
      if (fs::is_regular_file(found.gl_pathv[i])) files.emplace_back(found.gl_pathv[i]);
    }
  }
  ::globfree(&found);
  if (files.empty()) throw Error("no file matches {}", pattern.string());
  return files;
}

}  // namespace

std::vector<fs::path> DataFiles(const fs::path& path) {
  std::vector<fs::path> files;
  if (fs::is_directory(path)) {
    files = InFolder(path);
  } else if (!fs::exists(path) && path.string().find_first_of("*?[") != std::string::npos) {
    files = Matching(path);
  } else {
    return {path};
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string DataName(const fs::path& path) {
  fs::path named = path.has_filename() ? path : path.parent_path();
  if (named.filename().string().find_first_of("*?[") != std::string::npos) {
    named = named.parent_path();
    return named.has_filename() ? named.filename().string() : "data";
  }
  if (named.extension() == ".gz" || named.extension() == ".zst") named = named.stem();
  return named.stem().string();
}

DataFile::DataFile(const fs::path& path) : path_(path), map_(std::make_unique<MappedFile>(path)) {
  text_ = {reinterpret_cast<const char*>(map_->bytes().data()), map_->bytes().size()};
  if (text_.starts_with(kGzip) || text_.starts_with(kZstd)) {
    unpacked_ = text_.starts_with(kGzip) ? Gunzip(text_, path) : Unzstd(text_, path);
    text_ = unpacked_;
    map_.reset();
  }
  for (const Refused& refused : kRefused) {
    if (!text_.starts_with(refused.begin)) continue;
    throw Error("{} is {}, which is not read; {}", path.string(), refused.what, Instead(refused.instead, path));
  }
  if (text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
  if (const size_t valid = ValidUtf8Prefix(text_); valid < text_.size()) {
    throw Error("{}, line {}: not UTF-8 text", path.string(),
                std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(valid), '\n') + 1);
  }
  const std::string kind = Kind(path);
  const size_t first = text_.find_first_not_of(" \t\r\n");
  const char begin = first == std::string_view::npos ? ' ' : text_[first];
  json_lines_ = IsLines(kind) || (!IsText(kind) && begin == '{');
  if (json_lines_ && begin == '[') {
    throw Error("{} is one JSON list; JSON lines have an object a line: jq -c '.[]' {}", path.string(), path.string());
  }
}

}  // namespace fulgur
