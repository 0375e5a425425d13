// The HTTP server with a handler of the test's, and the mailbox between threads. For the thread sanitizer too.
#include "serve/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "serve/mailbox.h"

namespace fulgur {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// Gives bodies back, whole or (at /stream) byte by byte.
class Echo final : public HttpHandler {
 public:
  std::optional<HttpReply> Refuse(const HttpRequest& request) override {
    if (request.path == "/refused") return HttpReply{.status = 403, .headers = {}, .body = "no"};
    return std::nullopt;
  }
  void Handle(const HttpRequest& request, HttpExchange& exchange) override {
    ++handled;
    if (request.path == "/throw") throw Error("thrown");
    if (request.path == "/silent") return;
    if (request.path != "/stream") return exchange.Send({.status = 200, .headers = {}, .body = request.body});
    exchange.Begin(200, {});
    for (const char c : request.body) {
      if (!exchange.Write(std::string(1, c))) return;
      while (hold) std::this_thread::sleep_for(milliseconds(1));
    }
    exchange.End();
  }
  HttpReply Failed(const HttpRequest&, int status, const std::string& message) override {
    return {.status = status, .headers = {}, .body = message};
  }
  std::atomic<int> handled{0};
  std::atomic<bool> hold{false};
};

// A server that runs while the object lives.
class Running {
 public:
  explicit Running(HttpServerOptions options = {})
      : server_(WithPort(std::move(options)), echo), thread_([this] { server_.Run(); }) {}
  ~Running() { Stop(milliseconds(5000)); }
  void Stop(milliseconds timeout) {
    if (!thread_.joinable()) return;
    server_.Stop();
    thread_.join();
    server_.Join(timeout);
  }
  HttpServer& server() { return server_; }
  Echo echo;

 private:
  static HttpServerOptions WithPort(HttpServerOptions options) {
    options.port = 0;
    return options;
  }
  HttpServer server_;
  std::thread thread_;
};

class Socket {
 public:
  explicit Socket(int port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  bool connected() const { return connected_; }
  void Send(const std::string& text) {
    [[maybe_unused]] const ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
  }
  // Until the other side closes, or `until` has come.
  std::string Read(const std::string& until = "") {
    std::string text;
    char buffer[4096];
    while (until.empty() || text.find(until) == std::string::npos) {
      const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
      if (n <= 0) break;
      text.append(buffer, static_cast<size_t>(n));
    }
    return text;
  }

 private:
  int fd_;
  bool connected_ = false;
};

std::string Post(const std::string& path, const std::string& body, const char* more = "Connection: close\r\n") {
  return fmt::format("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n{}\r\n{}", path, body.size(), more, body);
}

std::string Ask(Running& running, const std::string& request) {
  Socket socket(running.server().port());
  socket.Send(request);
  return socket.Read();
}

TEST(HttpServer, WholeAndInPieces) {
  Running running;
  EXPECT_TRUE(running.server().loopback());
  EXPECT_THAT(Ask(running, Post("/", "hello")),
              testing::AllOf(HasSubstr("Content-Length: 5\r\n"), testing::EndsWith("\r\n\r\nhello")));
  EXPECT_THAT(Ask(running, Post("/stream", "abc")), testing::EndsWith("1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n"));
  // HTTP/1.0 knows no chunks: the end of the connection is the end of the body.
  EXPECT_THAT(Ask(running, "POST /stream HTTP/1.0\r\nContent-Length: 2\r\n\r\nab"), testing::EndsWith("\r\n\r\nab"));
  EXPECT_THAT(Ask(running, "HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), testing::EndsWith("\r\n\r\n"));
}

TEST(HttpServer, HandlersThatFail) {
  Running running;
  EXPECT_THAT(Ask(running, Post("/throw", "")), testing::AllOf(HasSubstr(" 500 "), testing::EndsWith("thrown")));
  EXPECT_THAT(Ask(running, Post("/silent", "")), HasSubstr(" 500 "));
  const int before = running.echo.handled;
  EXPECT_THAT(Ask(running, Post("/refused", "body")), HasSubstr(" 403 "));
  EXPECT_EQ(running.echo.handled, before);
}

TEST(HttpServer, ExpectContinueIsAnsweredBeforeTheBody) {
  Running running;
  Socket socket(running.server().port());
  socket.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(socket.Read("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  socket.Send("ok");
  EXPECT_THAT(socket.Read(), testing::EndsWith("ok"));
}

TEST(HttpServer, BodiesShareAMemory) {
  HttpServerOptions options;
  options.max_body_memory = 100000;
  Running running(options);
  running.echo.hold = true;
  Socket first(running.server().port());
  first.Send(Post("/stream", std::string(80000, 'x')));
  while (running.echo.handled == 0) std::this_thread::sleep_for(milliseconds(1));
  EXPECT_THAT(Ask(running, Post("/", std::string(80000, 'y'))), HasSubstr(" 503 "));
  running.echo.hold = false;
  EXPECT_THAT(first.Read(), testing::EndsWith("0\r\n\r\n"));
  EXPECT_THAT(Ask(running, Post("/", std::string(80000, 'y'))), HasSubstr(" 200 "));
}

TEST(HttpServer, ManyConnectionsAtATime) {
  Running running;
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&, t] {
      Socket kept(running.server().port());
      for (int i = 0; i < 20; ++i) {
        const std::string body = fmt::format("<{} {}>", t, i);
        kept.Send(Post("/", body, ""));
        good += kept.Read(">").ends_with(body);
        if (i % 5 == 0) Socket(running.server().port()).Send("POST / HT");  // and gone
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 16 * 20);
}

TEST(HttpServer, StopLetsAnswersFinish) {
  Running running;
  running.echo.hold = true;
  const int port = running.server().port();
  Socket busy(port), idle(port);
  busy.Send(Post("/stream", "ab"));
  while (running.echo.handled == 0) std::this_thread::sleep_for(milliseconds(1));
  std::thread stop([&] { running.Stop(milliseconds(10000)); });
  EXPECT_EQ(idle.Read(), "");
  running.echo.hold = false;
  EXPECT_THAT(busy.Read(), testing::EndsWith("0\r\n\r\n"));
  stop.join();
  EXPECT_FALSE(Socket(port).connected());
}

TEST(HttpServer, AnAddressInUseIsNamed) {
  Running running;
  HttpServerOptions options;
  options.port = running.server().port();
  Echo echo;
  try {
    HttpServer second(options, echo);
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr(std::to_string(options.port)));
  }
}

TEST(Mailbox, GathersUntilTheTimeOrAnEnd) {
  using std::chrono::seconds, std::chrono::steady_clock;
  Mailbox mailbox(/*keep_tokens=*/false);
  const OutputToken token;
  OutputEnd end;
  const auto put = [&](OutputEnd* e) {
    mailbox.Put(0, {.request = 1, .output = 0, .tokens = std::span(&token, 1), .text = "x", .end = e, .prompt = {}});
  };
  put(nullptr);
  // What is there waits for company, up to the time given.
  std::thread later([&] {
    put(nullptr);
    put(nullptr);
  });
  const auto begin = steady_clock::now();
  std::vector<Mailbox::Event> events = mailbox.Take(begin + seconds(20), begin + seconds(1));
  later.join();
  EXPECT_GE(steady_clock::now() - begin, seconds(1));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].token_count, 3);
  // An end does not wait.
  std::thread last([&] { put(&end); });
  events = mailbox.Take(steady_clock::now() + seconds(60), steady_clock::now() + seconds(60));
  EXPECT_LT(steady_clock::now() - begin, seconds(60));
  last.join();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_TRUE(events[0].end);
  EXPECT_TRUE(mailbox.Take(steady_clock::now(), steady_clock::now() + seconds(60)).empty());
}

TEST(Mailbox, NothingIsLostBetweenThreads) {
  Mailbox mailbox(/*keep_tokens=*/true);
  constexpr int kEvents = 2000;
  std::thread writer([&] {
    for (int i = 0; i < kEvents; ++i) {
      const OutputToken token{.id = i, .sampled = true, .logprob = 0, .top = {}};
      OutputEnd end;
      end.output_tokens = i;
      mailbox.Put(i % 3, {.request = 1,
                          .output = 0,
                          .tokens = std::span(&token, 1),
                          .text = "x",
                          .end = i >= kEvents - 3 ? &end : nullptr,
                          .prompt = {}});
    }
  });
  std::vector<std::vector<int32_t>> ids(3);
  size_t text = 0, ends = 0;
  while (ends < 3) {
    for (const Mailbox::Event& event : mailbox.Take(std::chrono::steady_clock::now() + std::chrono::seconds(10))) {
      text += event.text.size();
      ends += event.end.has_value();
      for (const OutputToken& token : event.tokens) ids[static_cast<size_t>(event.output)].push_back(token.id);
    }
  }
  writer.join();
  EXPECT_EQ(text, static_cast<size_t>(kEvents));
  for (int output = 0; output < 3; ++output) {
    for (size_t i = 0; i < ids[static_cast<size_t>(output)].size(); ++i) {
      ASSERT_EQ(ids[static_cast<size_t>(output)][i], output + 3 * static_cast<int>(i));
    }
  }
  EXPECT_TRUE(mailbox.Take(std::chrono::steady_clock::now()).empty());
}

}  // namespace
}  // namespace fulgur
