// NVDEC at work on one stream: parser, decoder and mapped surfaces behind three calls. Pictures are
// handed over inside of the parser's display callback, the only moment at which they surely exist.
#pragma once

#include <deque>
#include <exception>
#include <functional>
#include <optional>
#include <vector>

#include "cuda/decoder_pool.hpp"
#include "cuda/surface_ring.hpp"
#include "deepsport/cuda.hpp"

// Note [Which picture is it]
// The parser shows pictures with a surface and a time, and the time is not what a packet was given:
// behind hidden pictures of VP9 it is another packet's, and where pictures are reordered drivers
// have been seen to hand out times in rising order instead of with their pictures. So:
// - H.264, HEVC: a packet is fed as one whole picture and decoded before the call returns; the
//   surface it went into is remembered, and tells when it is shown.
// - A parser that decodes a picture only when the next packet comes (seen at the first packet after
//   a start): the time, which is the number of the frame in display order, so that sorting changes
//   nothing; and the number of pictures must be that of the packets.
// - VP9, AV1: nothing is reordered; the order tells, and the number of pictures must be right.

namespace deepsport::cuda {

/// A picture in a mapped surface, valid for the call it is passed to. Its readers go on the stream.
struct DevicePicture {
  MappedSurface surface;
  const CUVIDEOFORMAT* format = nullptr;
  cudaVideoSurfaceFormat layout = cudaVideoSurfaceFormat_NV12;
  unsigned rows = 0;  ///< of a luma plane in the surface; the next plane follows them
};

/// One object per request and thread; the context of the device is current for every call.
class Nvdec {
 public:
  struct Callbacks {
    std::function<bool(std::uint32_t packet)> is_wanted;
    /// A picture is damaged or lost: told before any picture is delivered that refers to it.
    std::function<void(std::uint32_t packet)> damaged;
    std::function<void(std::uint32_t packet, const DevicePicture&)> deliver;
  };
  Nvdec(int ordinal, const FrameIndex& index, CUstream stream, Callbacks callbacks,
        CudaReport& report);
  Nvdec(const Nvdec&) = delete;
  Nvdec& operator=(const Nvdec&) = delete;
  ~Nvdec();

  /// Decode the bytes of a packet. @throws Error, NotForNvdec.
  void feed(const std::vector<std::uint8_t>& bytes, std::uint32_t packet);
  /// Let everything out that is still inside, and forget: the next packet must be a start. False
  /// when the pictures that came out may not be those they are taken for.
  bool finish();
  /// Wait for the readers of every mapped surface and unmap it.
  void drain() {
    ring_.drain();
  }

 private:
  int on_sequence(CUVIDEOFORMAT* format);
  int on_decode(CUVIDPICPARAMS* picture);
  int on_display(CUVIDPARSERDISPINFO* shown);
  template <typename Parameter, int (Nvdec::*method)(Parameter*)>
  static int CUDAAPI callback(void* self, Parameter* parameter) noexcept;
  void note(const std::string& said) const {
    if (report_.keep_callbacks) report_.callbacks.push_back(said);
  }
  void check_caps(const CUVIDEOFORMAT& format) const;
  void parse(CUVIDSOURCEDATAPACKET packet);
  void release_decoder() noexcept;
  std::optional<std::uint32_t> packet_of(const CUVIDPARSERDISPINFO& shown);
  void ask_status(int surface, bool is_last_chance);
  void ask_all();

  int ordinal_;
  const FrameIndex& index_;
  const StreamFacts& facts_;
  Callbacks callbacks_;
  CudaReport& report_;
  bool shows_in_decoding_order_;
  CUvideoparser parser_ = nullptr;
  CUvideodecoder decoder_ = nullptr;
  DecoderKey key_;
  CUVIDEOFORMAT format_{};
  SurfaceRing ring_;
  std::exception_ptr failure_;  // of a callback: must not unwind through libnvcuvid
  bool failed_ = false;
  // See Note [Which picture is it].
  std::uint32_t current_ = 0;  // the packet being fed
  bool parser_is_late_ = false;
  std::vector<std::optional<std::uint32_t>> packet_in_;  // by surface
  std::vector<int> unasked_;           // surfaces whose pictures may yet turn out damaged
  std::deque<std::uint32_t> to_show_;  // packets fed that show a picture, in decoding order
  std::int64_t decoded_ = 0, shown_ = 0, fed_ = 0;  // since the start
};

}  // namespace deepsport::cuda
