#include "serve/http_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fulgur {
namespace {

HttpRequest Parse(std::string_view head, HttpLimits limits = {}) { return ParseHttpHead(head, limits); }

int StatusOf(std::string_view head, HttpLimits limits = {}) {
  try {
    Parse(head, limits);
  } catch (const HttpError& e) {
    return e.status();
  }
  return 200;
}

TEST(HttpMessage, ARequest) {
  const HttpRequest r = Parse(
      "POST /v1/chat%2Fx?a=%20 HTTP/1.1\r\nHost: h:1\r\nContent-Length: 12\r\nX-A: \t b c \r\nExpect: "
      "100-continue\r\n\r\n");
  EXPECT_EQ(r.method, "POST");
  EXPECT_EQ(r.path, "/v1/chat/x");
  EXPECT_EQ(r.target, "/v1/chat%2Fx?a=%20");
  EXPECT_EQ(r.content_length, 12u);
  EXPECT_FALSE(r.chunked);
  EXPECT_TRUE(r.keep_alive);
  EXPECT_TRUE(r.expects_continue);
  ASSERT_NE(r.Header("x-a"), nullptr);
  EXPECT_EQ(*r.Header("x-a"), "b c");
  EXPECT_EQ(r.Header("x-b"), nullptr);
}

TEST(HttpMessage, KeepAlive) {
  EXPECT_TRUE(Parse("GET / HTTP/1.1\r\nHost: h\r\n\r\n").keep_alive);
  EXPECT_FALSE(Parse("GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n").keep_alive);
  EXPECT_FALSE(Parse("GET / HTTP/1.0\r\n\r\n").keep_alive);
  EXPECT_TRUE(Parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keep_alive);
}

TEST(HttpMessage, AbsoluteForm) { EXPECT_EQ(Parse("GET HTTP://h:2/x?y HTTP/1.1\r\nHost: h:2\r\n\r\n").path, "/x"); }

TEST(HttpMessage, WhatIsRefused) {
  const std::string host = "Host: h\r\n";
  for (const auto& [head, status] : std::vector<std::pair<std::string, int>>{
           {"GET / HTTP/1.1\r\n\r\n", 400},                          // no host
           {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},    // two
           {"GET /\r\n\r\n", 400},                                   // HTTP/0.9
           {"GET / HTTP/2.0\r\n" + host + "\r\n", 505},              //
           {"GET / HTTPS/1.1\r\n" + host + "\r\n", 400},             //
           {"G@T / HTTP/1.1\r\n" + host + "\r\n", 400},              //
           {"GET x HTTP/1.1\r\n" + host + "\r\n", 400},              // no slash
           {"GET /a b HTTP/1.1\r\n" + host + "\r\n", 400},           //
           {"GET /\x01 HTTP/1.1\r\n" + host + "\r\n", 400},          //
           {"GET /\xff HTTP/1.1\r\n" + host + "\r\n", 400},          //
           {"GET /%zz HTTP/1.1\r\n" + host + "\r\n", 400},           //
           {"GET /%0 HTTP/1.1\r\n" + host + "\r\n", 400},            //
           {"GET /%00 HTTP/1.1\r\n" + host + "\r\n", 400},           //
           {"GET / HTTP/1.1\n" + host + "\r\n", 400},                // bare LF
           {"GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400},              // space before the colon
           {"GET / HTTP/1.1\r\n" + host + " folded\r\n\r\n", 400},   //
           {"GET / HTTP/1.1\r\n" + host + "nocolon\r\n\r\n", 400},   //
           {"GET / HTTP/1.1\r\n" + host + "A: b\x01\r\n\r\n", 400},  //
           {"GET / HTTP/1.1\r\n" + host + std::string("A: \0\r\n\r\n", 8), 400},
           {"POST / HTTP/1.1\r\n" + host + "Content-Length: x\r\n\r\n", 400},
           {"POST / HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n", 400},
           {"POST / HTTP/1.1\r\n" + host + "Content-Length: +1\r\n\r\n", 400},
           {"POST / HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999999\r\n\r\n", 413},
           {"POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
           {"POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
           {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
           {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: \r\n\r\n", 501},
           {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
           {"POST / HTTP/1.1\r\n" + host + "Expect: a pony\r\n\r\n", 417},
           {"GET /" + std::string(9000, 'a') + " HTTP/1.1\r\n" + host + "\r\n", 414}}) {
    EXPECT_EQ(StatusOf(head), status) << testing::PrintToString(head.substr(0, 100));
  }
  std::string many = "GET / HTTP/1.1\r\n" + host;
  for (int i = 0; i < 100; ++i) many += "A: b\r\n";
  EXPECT_EQ(StatusOf(many + "\r\n"), 431);
}

TEST(HttpMessage, ChunkSizes) {
  EXPECT_EQ(ParseChunkSize("0"), 0u);
  EXPECT_EQ(ParseChunkSize("1aF"), 0x1afu);
  EXPECT_EQ(ParseChunkSize("10 ; name=\"x\""), 16u);
  for (const char* line : {"", ";", "x", "-1", "0x10", "1 2", "1111111111111111"}) {
    EXPECT_THROW(ParseChunkSize(line), HttpError) << line;
  }
}

TEST(HttpMessage, HeadersCannotBeInjected) {
  const std::string head = HttpHead(200, {{"x-ignored", "a\r\nSet-Cookie: b\xc3"}});
  EXPECT_EQ(head, "HTTP/1.1 200 OK\r\nx-ignored: a??Set-Cookie: b?\r\n\r\n");
}

TEST(HttpMessage, Hosts) {
  EXPECT_EQ(HostOf("LocalHost:80"), "localhost");
  EXPECT_EQ(HostOf("http://a.b/c"), "a.b");
  EXPECT_EQ(HostOf("[::1]:80"), "::1");
  EXPECT_EQ(HostOf("https://[::1]"), "::1");
  EXPECT_EQ(HostOf(""), "");
}

}  // namespace
}  // namespace fulgur
