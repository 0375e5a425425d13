#include "serve/http_message.h"

#include <algorithm>
#include <optional>

namespace fulgur {
namespace {

// RFC 9110, 5.6.2
bool IsTokenCharacter(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}
bool IsToken(std::string_view text) { return !text.empty() && std::all_of(text.begin(), text.end(), IsTokenCharacter); }

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return out;
}

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string PercentDecoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1,
              low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
    if (high < 0 || low < 0 || high + low == 0)
      throw HttpError(400, "the path has a % that is not followed by two digits");
    out += static_cast<char>(16 * high + low);
    i += 2;
  }
  return out;
}

void ParseRequestLine(std::string_view line, const HttpLimits& limits, HttpRequest* request) {
  const size_t first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || last == first) {
    throw HttpError(400, "the first line of an HTTP request must be a method, a target and a version");
  }
  const std::string_view method = line.substr(0, first), version = line.substr(last + 1);
  std::string_view target = line.substr(first + 1, last - first - 1);
  if (!IsToken(method) || method.size() > 32) throw HttpError(400, "the method is not one");
  if (version.size() != 8 || version.substr(0, 5) != "HTTP/" || version[6] != '.') {
    throw HttpError(400, "the first line does not end in an HTTP version");
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0")
    throw HttpError(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
  request->minor_version = version[7] - '0';
  if (target.size() > limits.target) {
    throw HttpError(414, fmt::format("the target has {} bytes; at most {} are taken", target.size(), limits.target));
  }
  for (const char c : target) {
    if (c <= 0x20 || c >= 0x7f) throw HttpError(400, "the target has a character that must be percent-encoded");
  }
  request->method = method;
  request->target = target;
  if (target == "*" && method == "OPTIONS") {
    request->path = "*";
    return;
  }
  for (const std::string_view scheme : {"http://", "https://"}) {  // absolute form, as to a proxy
    if (Lower(target.substr(0, scheme.size())) != scheme) continue;
    const size_t slash = target.find('/', scheme.size());
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
    break;
  }
  if (target.empty() || target[0] != '/') throw HttpError(400, "the target must begin with a slash");
  request->path = PercentDecoded(target.substr(0, target.find_first_of("?#")));
}

// All values of a list header, in lower case.
std::vector<std::string> ListOf(const HttpRequest& request, std::string_view name) {
  std::vector<std::string> items;
  for (const auto& [key, value] : request.headers) {
    if (key != name) continue;
    for (size_t begin = 0; begin <= value.size();) {
      const size_t comma = std::min(value.find(',', begin), value.size());
      const std::string_view item = Trim(std::string_view(value).substr(begin, comma - begin));
      if (!item.empty()) items.push_back(Lower(item));
      begin = comma + 1;
    }
  }
  return items;
}

// How the body comes, and what becomes of the connection.
void Interpret(const HttpLimits& limits, HttpRequest* request) {
  int hosts = 0;
  std::optional<std::string> length;
  for (const auto& [name, value] : request->headers) {
    hosts += name == "host";
    if (name != "content-length") continue;
    if (length) throw HttpError(400, "there is more than one Content-Length");
    length = value;
  }
  if (hosts > 1 || (hosts == 0 && request->minor_version == 1)) throw HttpError(400, "there must be one Host header");

  const std::vector<std::string> encodings = ListOf(*request, "transfer-encoding");
  if (request->Header("transfer-encoding") != nullptr) {
    if (length) throw HttpError(400, "there are both Content-Length and Transfer-Encoding");
    if (encodings != std::vector<std::string>{"chunked"}) {
      throw HttpError(501, "the only Transfer-Encoding that is understood is chunked");
    }
    if (request->minor_version == 0) throw HttpError(400, "HTTP/1.0 has no Transfer-Encoding");
    request->chunked = true;
  } else if (length) {
    const bool digits = !length->empty() && length->find_first_not_of("0123456789") == std::string::npos;
    if (!digits) throw HttpError(400, "Content-Length must be a number");
    request->content_length = length->size() > 18 ? UINT64_MAX : std::stoull(*length);
    if (request->content_length > limits.body) {
      throw HttpError(413, fmt::format("the body has {} bytes; at most {} are taken", *length, limits.body));
    }
  }

  request->keep_alive = request->minor_version == 1;
  for (const std::string& option : ListOf(*request, "connection")) {
    if (option == "close") request->keep_alive = false;
    if (option == "keep-alive" && request->minor_version == 0) request->keep_alive = true;
  }
  if (const std::string* expect = request->Header("expect")) {
    if (Lower(*expect) != "100-continue") throw HttpError(417, "the only Expect that is understood is 100-continue");
    request->expects_continue = request->minor_version == 1;
  }
}

}  // namespace

const std::string* HttpRequest::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return &value;
  }
  return nullptr;
}

HttpRequest ParseHttpHead(std::string_view head, const HttpLimits& limits) {
  HttpRequest request;
  bool first = true;
  for (;;) {
    const size_t end = head.find("\r\n");
    if (end == std::string_view::npos) throw HttpError(400, "a line of the head does not end in CR LF");
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    if (first) {
      ParseRequestLine(line, limits, &request);
      first = false;
      continue;
    }
    if (line.empty()) break;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || !IsToken(line.substr(0, colon))) {
      throw HttpError(400, "a header is not a name, a colon and a value");
    }
    const std::string_view value = Trim(line.substr(colon + 1));
    for (const char c : value) {
      if ((c >= 0 && c < 0x20 && c != '\t') || c == 0x7f) throw HttpError(400, "a header has a control character");
    }
    if (request.headers.size() == limits.headers) {
      throw HttpError(431, fmt::format("there are more than {} headers", limits.headers));
    }
    request.headers.emplace_back(Lower(line.substr(0, colon)), value);
  }
  Interpret(limits, &request);
  return request;
}

uint64_t ParseChunkSize(std::string_view line) {
  const std::string_view digits = Trim(line.substr(0, line.find(';')));
  if (digits.empty() || digits.size() > 15) throw HttpError(400, "a chunk does not begin with its size");
  uint64_t size = 0;
  for (const char c : digits) {
    const int digit = HexDigit(c);
    if (digit < 0) throw HttpError(400, "a chunk does not begin with its size");
    size = 16 * size + static_cast<uint64_t>(digit);
  }
  return size;
}

std::string_view StatusText(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

std::string HttpHead(int status, const HttpHeaders& headers) {
  std::string text = fmt::format("HTTP/1.1 {} {}\r\n", status, StatusText(status));
  for (const auto& [name, value] : headers) {
    text.append(name).append(": ");
    for (const char c : value) text += c >= 0x20 && c < 0x7f ? c : '?';
    text += "\r\n";
  }
  return text += "\r\n";
}

std::string HostOf(std::string_view authority) {
  if (const size_t scheme = authority.find("://"); scheme != std::string_view::npos)
    authority.remove_prefix(scheme + 3);
  if (!authority.empty() && authority[0] == '[') {
    const size_t close = authority.find(']');
    return Lower(authority.substr(1, close == std::string_view::npos ? close : close - 1));
  }
  return Lower(authority.substr(0, authority.find_first_of(":/")));
}

}  // namespace fulgur
