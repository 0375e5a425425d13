#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

#include "sandbox/launcher/launcher.h"

namespace fulgur {

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

bool WriteWholeFile(const char* path, std::string_view content, int mode) {
  const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
  if (fd < 0) return false;
  const bool written = WriteAll(fd, content);
  const int reason = errno;
  close(fd);
  errno = reason;
  return written;
}

bool SendMessage(int fd, std::string_view message) {
  const uint64_t size = message.size();
  return WriteAll(fd, {reinterpret_cast<const char*>(&size), sizeof size}) && WriteAll(fd, message);
}

bool ReceiveMessage(int fd, std::string* message, std::vector<int>* fds) {
  uint64_t size = 0;
  size_t got = 0;
  while (got < sizeof size) {
    iovec part{reinterpret_cast<char*>(&size) + got, sizeof size - got};
    alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
      const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < count; ++i) {
        int received = -1;
        memcpy(&received, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
        fds->push_back(received);
      }
    }
    got += static_cast<size_t>(n);
  }
  message->resize(size);
  size_t filled = 0;
  while (filled < size) {
    const ssize_t n = read(fd, message->data() + filled, size - filled);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    filled += static_cast<size_t>(n);
  }
  return true;
}

}  // namespace fulgur
