// The JSON reader: one pass, an explicit stack of open brackets instead of recursion.
#include "deepsport/protocol/json.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>

namespace deepsport::protocol {
namespace {

constexpr std::size_t kDepthRoom = 64;

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void append_utf8(std::uint32_t code, std::string* out) {
  const auto put = [out](std::uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | (code >> 6));
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3F));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

}  // namespace

struct JsonDocument::Cursor {
  std::string_view text;
  std::size_t at = 0;

  bool done() const {
    return at == text.size();
  }
  char peek() const {
    return text[at];
  }
  bool at_char(char c) const {
    return at < text.size() && text[at] == c;
  }
  void skip_space() {
    while (at < text.size() && is_space(text[at])) ++at;
  }
  bool take(std::string_view word) {
    if (text.compare(at, word.size(), word) != 0) return false;
    at += word.size();
    return true;
  }
  /// Four hexadecimal digits, or -1.
  std::int32_t take_hex4() {
    if (text.size() - at < 4) return -1;
    std::int32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      const int digit = hex_digit(text[at + static_cast<std::size_t>(i)]);
      if (digit < 0) return -1;
      value = value * 16 + digit;
    }
    at += 4;
    return value;
  }
};

bool JsonDocument::fail(JsonFault fault, std::size_t at) {
  fault_ = fault;
  fault_at_ = at;
  nodes_.clear();
  nodes_.emplace_back();  // root() stays valid: null
  return false;
}

bool JsonDocument::parse(std::string_view text, const JsonLimits& limits) {
  nodes_.clear();
  text_.clear();
  fault_ = JsonFault::kNone;
  fault_at_ = 0;
  if (text.size() > limits.max_bytes) return fail(JsonFault::kTooLarge, limits.max_bytes);
  return read(text, limits);
}

bool JsonDocument::read(std::string_view text, const JsonLimits& limits) {
  struct Level {
    std::uint32_t node, last_child;
  };
  Level open[kDepthRoom];
  const std::size_t max_depth = std::min(limits.max_depth, kDepthRoom);
  std::size_t depth = 0;
  Cursor cursor{text};
  std::uint32_t key_begin = 0, key_size = 0;

  const auto read_key = [&] {
    cursor.skip_space();
    if (!cursor.at_char('"')) return fail(JsonFault::kSyntax, cursor.at);
    if (!read_string(&cursor, &key_begin, &key_size)) return false;
    cursor.skip_space();
    if (!cursor.at_char(':')) return fail(JsonFault::kSyntax, cursor.at);
    ++cursor.at;
    return true;
  };

  for (;;) {  // a value is due
    cursor.skip_space();
    if (cursor.done()) return fail(JsonFault::kSyntax, cursor.at);
    if (nodes_.size() >= limits.max_nodes) return fail(JsonFault::kTooLarge, cursor.at);
    const auto number = static_cast<std::uint32_t>(nodes_.size());
    nodes_.emplace_back();
    nodes_.back().key_begin = key_begin;
    nodes_.back().key_size = key_size;
    key_begin = key_size = 0;
    if (depth > 0) {
      Level& parent = open[depth - 1];
      if (parent.last_child == 0) {
        nodes_[parent.node].first_child = number;
      } else {
        nodes_[parent.last_child].next = number;
      }
      parent.last_child = number;
      ++nodes_[parent.node].count;
    }
    JsonNode& node = nodes_.back();
    const char c = cursor.peek();
    if (c == '{' || c == '[') {
      if (depth == max_depth) return fail(JsonFault::kTooDeep, cursor.at);
      node.kind = c == '{' ? JsonKind::kObject : JsonKind::kArray;
      open[depth++] = {number, 0};
      ++cursor.at;
      cursor.skip_space();
      if (!cursor.at_char(c == '{' ? '}' : ']')) {
        if (c == '{' && !read_key()) return false;
        continue;
      }  // empty: closed below
    } else if (c == '"') {
      node.kind = JsonKind::kString;
      std::uint32_t begin = 0, size = 0;
      if (!read_string(&cursor, &begin, &size)) return false;
      node.text_begin = begin;
      node.text_size = size;
    } else if (cursor.take("true")) {
      node.kind = JsonKind::kTrue;
    } else if (cursor.take("false")) {
      node.kind = JsonKind::kFalse;
    } else if (cursor.take("null")) {
      node.kind = JsonKind::kNull;
    } else if (!read_number(&cursor, &node)) {
      return false;
    }

    for (;;) {  // after a value: close brackets until another value is due
      cursor.skip_space();
      if (depth == 0) return cursor.done() || fail(JsonFault::kSyntax, cursor.at);
      const bool in_object = nodes_[open[depth - 1].node].kind == JsonKind::kObject;
      if (cursor.at_char(in_object ? '}' : ']')) {
        ++cursor.at;
        --depth;
      } else if (cursor.at_char(',')) {
        ++cursor.at;
        if (in_object && !read_key()) return false;
        break;
      } else {
        return fail(JsonFault::kSyntax, cursor.at);
      }
    }
  }
}

bool JsonDocument::read_string(Cursor* cursor, std::uint32_t* begin, std::uint32_t* size) {
  ++cursor->at;  // the opening quote
  *begin = static_cast<std::uint32_t>(text_.size());
  for (;;) {
    const std::size_t run = cursor->at;
    while (!cursor->done() && cursor->peek() != '"' && cursor->peek() != '\\' &&
           static_cast<unsigned char>(cursor->peek()) >= 0x20) {
      ++cursor->at;
    }
    text_.append(cursor->text.substr(run, cursor->at - run));
    if (cursor->done()) return fail(JsonFault::kSyntax, cursor->at);
    if (cursor->peek() == '"') {
      ++cursor->at;
      *size = static_cast<std::uint32_t>(text_.size()) - *begin;
      return true;
    }
    const std::size_t escape_at = cursor->at;
    if (cursor->peek() != '\\' || cursor->at + 1 >= cursor->text.size()) {
      return fail(JsonFault::kSyntax, escape_at);  // a raw control character, or the end
    }
    const char kind = cursor->text[cursor->at + 1];
    cursor->at += 2;
    switch (kind) {
      case '"': text_.push_back('"'); break;
      case '\\': text_.push_back('\\'); break;
      case '/': text_.push_back('/'); break;
      case 'b': text_.push_back('\b'); break;
      case 'f': text_.push_back('\f'); break;
      case 'n': text_.push_back('\n'); break;
      case 'r': text_.push_back('\r'); break;
      case 't': text_.push_back('\t'); break;
      case 'u': {
        std::int32_t code = cursor->take_hex4();
        if (code >= 0xD800 && code < 0xDC00) {  // must be followed by its low half
          if (!cursor->take("\\u")) return fail(JsonFault::kSyntax, escape_at);
          const std::int32_t low = cursor->take_hex4();
          if (low < 0xDC00 || low > 0xDFFF) return fail(JsonFault::kSyntax, escape_at);
          code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        } else if (code < 0 || (code >= 0xDC00 && code <= 0xDFFF)) {
          return fail(JsonFault::kSyntax, escape_at);
        }
        append_utf8(static_cast<std::uint32_t>(code), &text_);
        break;
      }
      default: return fail(JsonFault::kSyntax, escape_at);
    }
  }
}

bool JsonDocument::read_number(Cursor* cursor, JsonNode* node) {
  const std::size_t begin = cursor->at;
  const auto digits = [cursor] {
    const std::size_t first = cursor->at;
    while (!cursor->done() && is_digit(cursor->peek())) ++cursor->at;
    return cursor->at > first;
  };
  bool whole = true;
  if (cursor->at_char('-')) ++cursor->at;
  const bool leading_zero = cursor->at_char('0');
  const std::size_t first_digit = cursor->at;
  if (!digits() || (leading_zero && cursor->at - first_digit > 1)) {
    return fail(JsonFault::kSyntax, begin);
  }
  if (cursor->at_char('.')) {
    whole = false;
    ++cursor->at;
    if (!digits()) return fail(JsonFault::kSyntax, begin);
  }
  if (cursor->at_char('e') || cursor->at_char('E')) {
    whole = false;
    ++cursor->at;
    if (cursor->at_char('+') || cursor->at_char('-')) ++cursor->at;
    if (!digits()) return fail(JsonFault::kSyntax, begin);
  }
  const char* first = cursor->text.data() + begin;
  const char* last = cursor->text.data() + cursor->at;
  node->kind = JsonKind::kNumber;
  if (whole && std::from_chars(first, last, node->integer).ec == std::errc()) {
    node->kind = JsonKind::kInteger;
    node->number = static_cast<double>(node->integer);
    return true;
  }
  node->integer = 0;
  const std::errc status = std::from_chars(first, last, node->number).ec;
  if (status != std::errc() || !std::isfinite(node->number)) return fail(JsonFault::kSyntax, begin);
  return true;
}

const JsonNode* JsonDocument::member(const JsonNode& object, std::string_view name) const {
  const JsonNode* found = nullptr;
  if (object.kind != JsonKind::kObject) return nullptr;
  for (std::uint32_t number = object.first_child; number != 0; number = nodes_[number].next) {
    if (key(nodes_[number]) == name) found = &nodes_[number];
  }
  return found;
}

}  // namespace deepsport::protocol
