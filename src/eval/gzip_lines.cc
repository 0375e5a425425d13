#include "eval/gzip_lines.h"

#include <unistd.h>
#include <zlib.h>

#include <algorithm>

#include "base/file.h"

namespace fulgur {
namespace {

constexpr int kGzipWindow = 15 + 16;  // deflate's largest window, in gzip's wrapping
constexpr size_t kMostBytes = size_t{1} << 30;

std::string Compress(std::string_view text, const std::filesystem::path& path) {
  z_stream z{};
  if (deflateInit2(&z, 6, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw Error("cannot compress for {}: out of memory", path.string());
  }
  std::string out(deflateBound(&z, static_cast<uLong>(text.size())), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  const int status = deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  FULGUR_CHECK(status == Z_STREAM_END);
  return out;
}

// One member at the beginning of `bytes`: its text, and how long it is. False if it is not complete.
bool Decompress(std::span<const std::byte> bytes, std::string* text, size_t* used) {
  z_stream z{};
  if (inflateInit2(&z, kGzipWindow) != Z_OK) return false;
  text->clear();
  z.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
  z.avail_in = static_cast<uInt>(std::min(bytes.size(), kMostBytes));
  char buffer[1 << 16];
  int status = Z_OK;
  while (status == Z_OK && text->size() < kMostBytes) {
    z.next_out = reinterpret_cast<Bytef*>(buffer);
    z.avail_out = sizeof(buffer);
    status = inflate(&z, Z_NO_FLUSH);
    text->append(buffer, sizeof(buffer) - z.avail_out);
  }
  *used = z.total_in;
  inflateEnd(&z);
  return status == Z_STREAM_END;
}

}  // namespace

GzipLinesWriter::GzipLinesWriter(const std::filesystem::path& path, int64_t keep) : path_(path) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  file_ = std::fopen(path.c_str(), "ab");
  if (file_ == nullptr) throw Error("cannot write {}", path.string());
  if (::ftruncate(::fileno(file_), keep) != 0) {
    std::fclose(file_);
    throw Error("cannot write {}", path.string());
  }
}

GzipLinesWriter::~GzipLinesWriter() { std::fclose(file_); }

void GzipLinesWriter::Add(const Json& line) {
  const std::string bytes = Compress(line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n", path_);
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size() || std::fflush(file_) != 0) {
    throw Error("cannot write {}", path_.string());
  }
}

void GzipLinesWriter::Sync() { ::fdatasync(::fileno(file_)); }

int64_t ReadGzipLines(const std::filesystem::path& path, const std::function<bool(const Json& line)>& f) {
  if (!std::filesystem::exists(path)) return 0;
  const MappedFile file(path);
  std::span<const std::byte> rest = file.bytes();
  std::string text;
  int64_t kept = 0;
  for (size_t used = 0; !rest.empty() && Decompress(rest, &text, &used); rest = rest.subspan(used)) {
    Json line;
    try {
      line = ParseJson(text, path.string());
    } catch (const Error&) {
      break;
    }
    if (!f(line)) break;
    kept += static_cast<int64_t>(used);
  }
  return kept;
}

}  // namespace fulgur
