// Files: whole reads, memory maps, and writes that are either complete or absent.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace fulgur {

// The whole file. Throws Error naming the path and the system's reason.
std::string ReadFile(const std::filesystem::path& path);

// Writes to a temporary name in the same folder, fsyncs, renames over `path` and fsyncs the folder: after a crash the
// file has either its old or its new content. Throws Error; the temporary file is removed.
void WriteFileAtomic(const std::filesystem::path& path, std::string_view content);

// The same promise for content that is produced piece by piece. Without Commit() nothing appears at `path`.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  void Write(const void* data, size_t bytes);
  void Write(std::string_view text) { Write(text.data(), text.size()); }
  void Commit();

 private:
  std::filesystem::path path_, temporary_;
  int fd_ = -1;
};

// Makes the names in a folder (files created, renamed, removed) survive a power failure.
void SyncFolder(const std::filesystem::path& folder);

// A read-only shared map of a whole file. An empty file maps to an empty span.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace fulgur
