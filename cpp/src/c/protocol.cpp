// The protocol between model and frame tool over the C face.
#include "deepsport/protocol.hpp"

#include <algorithm>
#include <cstring>

#include "c/failure.hpp"
#include "c/sized.hpp"

using deepsport::c::guarded;
using deepsport::c::need;
using deepsport::c::need_bytes;
using deepsport::c::refuse;
namespace protocol = deepsport::protocol;

namespace {

void copy_text(const std::string& text, char* into, std::size_t bytes) {
  if (into == nullptr || bytes == 0) return;
  std::size_t length = std::min(text.size(), bytes - 1);
  // never cut a UTF-8 character in two: step back over its continuation bytes
  while (length > 0 && length < text.size() && (text[length] & 0xC0) == 0x80) --length;
  std::memcpy(into, text.data(), length);
  into[length] = '\0';
}

/// Where a part lies in the text it was found in; -1 and -1 when it is not there.
void place(std::string_view text, std::string_view part, bool has, std::int64_t* begin,
           std::int64_t* end) {
  *begin = has ? part.data() - text.data() : -1;
  *end = has ? *begin + static_cast<std::int64_t>(part.size()) : -1;
}

void write_indices(std::vector<std::int64_t> found, std::size_t* count, std::int64_t* frames) {
  std::copy(found.begin(), found.end(), frames);
  *count = found.size();
}

std::int64_t wanted(const std::size_t* count, const std::int64_t* frames, const char* function) {
  need(count, function, "count");
  need(frames, function, "frames");
  if (*count < 1 || *count > std::size_t{1} << 31) {
    refuse(std::string(function) + ": *count is " + std::to_string(*count) +
           ", valid are 1..2147483648");
  }
  return static_cast<std::int64_t>(*count);
}

}  // namespace

extern "C" {

int ds_parse_turn(const char* text, size_t bytes, int form, int require_think, ds_turn* turn,
                  char* message, size_t message_bytes) {
  return guarded([&] {
    if (bytes > 0) need(text, "ds_parse_turn", "text");
    need(turn, "ds_parse_turn", "turn");
    need_bytes(turn->struct_bytes, deepsport::c::kFirstTurn, "ds_turn");
    if (form != DS_FORM_PAPER && form != DS_FORM_NATIVE) {
      refuse("ds_parse_turn: form is " + std::to_string(form) +
             ", valid are DS_FORM_PAPER and DS_FORM_NATIVE");
    }
    const std::string_view whole(bytes > 0 ? text : "", bytes);
    protocol::ParseOptions options;
    options.form = static_cast<protocol::Form>(form);
    options.require_think = require_think != 0;
    protocol::JsonDocument document;
    const protocol::ParsedTurn parsed = protocol::parse_turn(whole, options, &document);
    ds_turn found = DS_TURN_INIT;
    found.reason = static_cast<std::int32_t>(parsed.reason);
    found.action = parsed.has_call     ? DS_ACTION_CALL
                   : parsed.has_answer ? DS_ACTION_ANSWER
                                       : DS_ACTION_NONE;
    found.start_frame = parsed.start;
    found.end_frame = parsed.end;
    place(whole, parsed.think, parsed.has_think, &found.think_begin, &found.think_end);
    place(whole, parsed.answer, parsed.has_answer, &found.answer_begin, &found.answer_end);
    deepsport::c::give(found, turn);
    copy_text(parsed.ok() ? std::string() : protocol::describe(parsed, options), message,
              message_bytes);
  });
}

const char* ds_reason_name(int32_t reason) {
  return protocol::reason_name(static_cast<protocol::Reason>(reason));
}

int ds_window_indices(int64_t start, int64_t end, size_t* count, int64_t* frames) {
  return guarded([&] {
    const std::int64_t most = wanted(count, frames, "ds_window_indices");
    if (start < 0 || start >= end) {
      refuse("ds_window_indices: window [" + std::to_string(start) + ", " + std::to_string(end) +
             "), valid are 0 <= start < end");
    }
    write_indices(protocol::window_indices({start, end}, most), count, frames);
  });
}

int ds_uniform_indices(int64_t frame_count, size_t* count, int64_t* frames) {
  return guarded([&] {
    const std::int64_t most = wanted(count, frames, "ds_uniform_indices");
    if (frame_count < 1) {
      refuse("ds_uniform_indices: frame_count is " + std::to_string(frame_count) +
             ", valid are 1 or more");
    }
    write_indices(protocol::uniform_indices(frame_count, most), count, frames);
  });
}

}  // extern "C"
