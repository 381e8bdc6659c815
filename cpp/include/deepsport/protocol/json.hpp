// A small JSON reader for what a model writes: bounded in bytes, depth and nodes, iterative, linear
// in its input, its memory reused from one text to the next. Strict RFC 8259; not a writer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace deepsport::protocol {

enum class JsonKind : std::uint8_t {
  kNull,
  kFalse,
  kTrue,
  kInteger,
  kNumber,
  kString,
  kArray,
  kObject
};

enum class JsonFault : std::uint8_t { kNone, kSyntax, kTooDeep, kTooLarge };

struct JsonLimits {
  std::size_t max_bytes = 65536;
  std::size_t max_depth = 16;  ///< open brackets at once; values above 64 mean 64
  std::size_t max_nodes = 4096;
};

/// One value. `next` and `first_child` are node numbers; 0 means none (node 0 is the root).
struct JsonNode {
  JsonKind kind = JsonKind::kNull;
  std::uint32_t key_begin = 0, key_size = 0;  ///< into the document's text; members of objects only
  std::uint32_t text_begin = 0, text_size = 0;  ///< decoded UTF-8 of a string
  std::uint32_t first_child = 0, next = 0, count = 0;
  std::int64_t integer = 0;  ///< kInteger: written without fraction or exponent and fits 64 bits
  double number = 0;         ///< kInteger and kNumber; always finite
};

/// The last text read. One object per thread; strings it hands out live until the next parse().
class JsonDocument {
 public:
  /// Read one JSON value that fills `text` up to white space. False on a fault, see fault().
  bool parse(std::string_view text, const JsonLimits& limits = {});

  JsonFault fault() const noexcept {
    return fault_;
  }
  std::size_t fault_at() const noexcept {
    return fault_at_;
  }  ///< byte offset of the fault

  const JsonNode& root() const {
    return nodes_.front();
  }
  const JsonNode& node(std::uint32_t number) const {
    return nodes_[number];
  }
  std::string_view key(const JsonNode& node) const {
    return slice(node.key_begin, node.key_size);
  }
  std::string_view text(const JsonNode& node) const {
    return slice(node.text_begin, node.text_size);
  }

  /// Member of an object by name, the last one when a name is repeated (as Python's json); or null.
  const JsonNode* member(const JsonNode& object, std::string_view name) const;

 private:
  struct Cursor;
  bool read(std::string_view text, const JsonLimits& limits);
  bool fail(JsonFault fault, std::size_t at);
  bool read_string(Cursor* cursor, std::uint32_t* begin, std::uint32_t* size);
  bool read_number(Cursor* cursor, JsonNode* node);
  std::string_view slice(std::uint32_t begin, std::uint32_t size) const {
    return std::string_view(text_).substr(begin, size);
  }

  std::vector<JsonNode> nodes_;
  std::string text_;
  JsonFault fault_ = JsonFault::kNone;
  std::size_t fault_at_ = 0;
};

}  // namespace deepsport::protocol
