#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace fulgur {
namespace {

[[noreturn]] void ThrowErrno(const char* what, const std::filesystem::path& path) {
  throw Error("cannot {} {}: {}", what, path.string(), std::strerror(errno));
}

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

Descriptor OpenForReading(const std::filesystem::path& path, struct stat* info) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) ThrowErrno("open", path);
  if (::fstat(file.fd, info) != 0) ThrowErrno("stat", path);
  if (S_ISDIR(info->st_mode)) throw Error("cannot read {}: it is a folder", path.string());
  return file;
}

}  // namespace

std::string ReadFile(const std::filesystem::path& path) {
  struct stat info;
  const Descriptor file = OpenForReading(path, &info);
  std::string content;
  content.reserve(static_cast<size_t>(info.st_size));
  char buffer[1 << 16];
  while (true) {
    const ssize_t n = ::read(file.fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) ThrowErrno("read", path);
    if (n == 0) return content;
    content.append(buffer, static_cast<size_t>(n));
  }
}

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  temporary_ = path_.string() + fmt::format(".tmp{}", ::getpid());
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd_ < 0) ThrowErrno("create", temporary_);
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) {
    ::close(fd_);
    ::unlink(temporary_.c_str());
  }
}

void AtomicFile::Write(const void* data, size_t bytes) {
  const char* p = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t n = ::write(fd_, p, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) ThrowErrno("write", temporary_);
    p += n;
    bytes -= static_cast<size_t>(n);
  }
}

void AtomicFile::Commit() {
  if (::fsync(fd_) != 0) ThrowErrno("sync", temporary_);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) ThrowErrno("rename to", path_);
  ::close(fd_);
  fd_ = -1;
  SyncFolder(path_.has_parent_path() ? path_.parent_path() : ".");
}

void SyncFolder(const std::filesystem::path& folder) {
  const Descriptor directory{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (directory.fd >= 0) ::fsync(directory.fd);
}

void WriteFileAtomic(const std::filesystem::path& path, std::string_view content) {
  AtomicFile file(path);
  file.Write(content);
  file.Commit();
}

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  struct stat info;
  const Descriptor file = OpenForReading(path, &info);
  size_ = static_cast<size_t>(info.st_size);
  if (size_ == 0) return;
  void* map = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.fd, 0);
  if (map == MAP_FAILED) ThrowErrno("map", path);
  data_ = static_cast<const std::byte*>(map);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace fulgur
