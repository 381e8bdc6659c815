// Decoding to a device, on the fake driver: the pictures are those of the CPU path to the bit, for
// every codec and shape, and the driver's rules are kept. What passes here has passed on a fake.
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <thread>

#include "device_request.hpp"

namespace deepsport {
namespace {

using tests::clip;
using tests::on_cpu;
using tests::on_device;
using tests::open;

class CudaDecode : public tests::OnFakeDriver {};
class CudaDecodeClip : public CudaDecode, public ::testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(Clips, CudaDecodeClip,
                         ::testing::Values("h264.mp4", "open_gop.mp4", "h264.ts", "full_range.mp4",
                                           "hevc.mp4", "hevc444.mp4", "hevc444_10.mp4", "vp9.webm",
                                           "vp9_10.webm", "av1.mp4", "av1_10.mp4", "turned.mp4",
                                           "odd.webm", "odd.mp4"),
                         [](const ::testing::TestParamInfo<const char*>& clip_name) {
                           std::string name = clip_name.param;
                           for (char& c : name) c = std::isalnum(c) != 0 ? c : '_';
                           return name;
                         });

TEST_P(CudaDecodeClip, EveryFrameIsThatOfTheCpuPathToTheBit) {
  const auto video = open(clip(GetParam()));
  const auto frames = tests::all_frames(*video);
  ASSERT_GE(frames.size(), 10U);
  const auto wanted = on_cpu(*video, frames);
  for (const int lazy : {1, 0}) {
    FAKE(fake_set_lazy)(lazy);
    const auto found = on_device(*video, frames);
    EXPECT_EQ(found.report.why_on_cpu, "");
    EXPECT_EQ(found.bytes, wanted) << "lazy " << lazy;
    EXPECT_EQ(found.status, std::vector<FrameStatus>(frames.size(), FrameStatus::kOk));
    EXPECT_EQ(found.report.pictures_mapped, static_cast<std::int64_t>(frames.size()));
  }
}

TEST_P(CudaDecodeClip, ResizedFramesAreThoseOfTheCpuPathToTheBit) {
  const auto video = open(clip(GetParam()));
  for (const auto& [width, height] : {std::pair{140, 84}, {97, 211}, {420, 300}}) {
    PictureFormat format;
    format.width = width;
    format.height = height;
    EXPECT_EQ(on_device(*video, {3, 9}, format).bytes, on_cpu(*video, {3, 9}, width, height))
        << width << "x" << height;
  }
}

TEST_F(CudaDecode, AnyOrderWithRepeatsMapsEachPictureOnceAndOnlyThoseAskedFor) {
  const auto video = open(clip("h264.mp4"));
  const std::vector<std::int64_t> frames = {30, 2, 44, 2, 17, -1, 2};
  const auto found = on_device(*video, frames);
  EXPECT_EQ(found.bytes, on_cpu(*video, frames));
  EXPECT_EQ(found.report.pictures_mapped, 5);
  EXPECT_GT(found.report.packets_dropped, 0);
  EXPECT_LT(found.report.packets_decoded, 50);
}

TEST_F(CudaDecode, PlanesAndPatchesHoldTheSamePixels) {
  const auto video = open(clip("h264.mp4"));
  const std::vector<std::int64_t> frames = {5, 6, 20};
  constexpr int kWidth = 112, kHeight = 56;
  const auto rgb = on_cpu(*video, frames, kWidth, kHeight);
  PictureFormat format;
  format.width = kWidth;
  format.height = kHeight;
  format.order = PixelOrder::kPlanar;
  const auto planar = on_device(*video, frames, format).bytes;
  format.order = PixelOrder::kPatches;
  const auto patches = on_device(*video, frames, format).bytes;
  ASSERT_EQ(patches.size(), 4U * 3 * kWidth * kHeight);  // three frames fill two pairs
  for (std::size_t n = 0; n < 4; ++n) {
    const std::size_t from = std::min<std::size_t>(n, 2);  // the last frame fills up the last pair
    for (std::size_t y = 0; y < kHeight; ++y) {
      for (std::size_t x = 0; x < kWidth; ++x) {
        for (std::size_t c = 0; c < 3; ++c) {
          const std::uint8_t wanted = rgb[((from * kHeight + y) * kWidth + x) * 3 + c];
          if (n < 3) {
            ASSERT_EQ(planar[((n * 3 + c) * kHeight + y) * kWidth + x], wanted);
          }
          // Rows: pair, 28-pixel square, then its four patches; columns: channel, frame, y, x.
          const std::size_t square = y / 28 * (kWidth / 28) + x / 28;
          const std::size_t row =
              (n / 2 * (kHeight / 28) * (kWidth / 28) + square) * 4 + y % 28 / 14 * 2 + x % 28 / 14;
          const std::size_t column = ((c * 2 + n % 2) * 14 + y % 14) * 14 + x % 14;
          ASSERT_EQ(patches[row * (3 * 2 * 14 * 14) + column], wanted) << n << ' ' << y << ' ' << x;
        }
      }
    }
  }
}

TEST_F(CudaDecode, FloatsAreNormalisedByOneRoundedStepAfterAnother) {
  const auto video = open(clip("h264.mp4"));
  const auto rgb = on_cpu(*video, {7}, 70, 42);
  PictureFormat format;
  format.width = 70;
  format.height = 42;
  const float mean[3] = {0.481F, 0.458F, 0.408F}, deviation[3] = {0.269F, 0.261F, 0.276F};
  std::copy_n(mean, 3, format.mean);
  std::copy_n(deviation, 3, format.deviation);
  format.element = ElementType::kFloat32;
  const auto singles = on_device(*video, {7}, format).bytes;
  format.element = ElementType::kFloat16;
  const auto halves = on_device(*video, {7}, format).bytes;
  for (std::size_t i = 0; i < rgb.size(); ++i) {
    const volatile float share = static_cast<float>(rgb[i]) / 255.0F;
    const volatile float centred = share - mean[i % 3];
    const float wanted = centred / deviation[i % 3];
    float single;
    _Float16 half;
    std::memcpy(&single, &singles[4 * i], 4);
    std::memcpy(&half, &halves[2 * i], 2);
    ASSERT_EQ(single, wanted);
    ASSERT_EQ(half, static_cast<_Float16>(wanted));
  }
}

// See Note [Which picture is it]: frames after starts whose leading pictures are never shown, so
// that times handed out in order are those of other pictures.
TEST_F(CudaDecode, PicturesAreToldApartWhateverTheParserDoesWithTimes) {
  for (const char* name : {"h264.mp4", "open_gop.mp4", "h264.ts", "hevc.mp4"}) {
    const auto video = open(clip(name));
    const std::int64_t last = video->index().frame_count() - 1;
    const std::vector<std::int64_t> frames = {1, last / 2 + 2, last / 2 + 3, last - 1, last};
    const auto wanted = on_cpu(*video, frames);
    for (const int stay : {0, 1}) {
      for (const int late : {0, 1}) {
        FAKE(fake_set)("times_stay", stay);
        FAKE(fake_set)("late_parser", late);
        const auto found = on_device(*video, frames);
        EXPECT_EQ(found.report.why_on_cpu, "") << name;
        for (std::size_t i = 0; i < frames.size(); ++i) {
          const std::size_t size = wanted.size() / frames.size();
          // A late parser's times are all there is: where they may be wrong, the picture says so.
          if (late == 1 && found.status[i] == FrameStatus::kDamaged) continue;
          EXPECT_EQ(std::memcmp(&found.bytes[i * size], &wanted[i * size], size), 0)
              << name << " frame " << frames[i] << " stay " << stay << " late " << late;
        }
      }
    }
  }
}

TEST_F(CudaDecode, HeadersAreRepeatedBehindEveryFlush) {
  // Starts that are no IDR pictures carry none themselves, and the parser has forgotten them.
  const auto video = open(clip("open_gop.mp4"));
  const std::vector<std::int64_t> frames = {1, 14, 47};
  const auto found = on_device(*video, frames);
  EXPECT_EQ(found.bytes, on_cpu(*video, frames));
  EXPECT_EQ(found.report.seeks, 3);
}

TEST_F(CudaDecode, Vp9ThatGrowsBetweenKeyPicturesIsLeftToTheCpu) {
  FAKE(fake_set)("grow_after", 5);
  const auto video = open(clip("vp9.webm"));
  const auto found = on_device(*video, {2, 9});
  EXPECT_NE(found.report.why_on_cpu.find("between key pictures"), std::string::npos)
      << found.report.why_on_cpu;
  EXPECT_EQ(found.bytes, on_cpu(*video, {2, 9}));
}

TEST_F(CudaDecode, WhatNvdecFailsAtIsDecodedByTheCpuWithTheReason) {
  const auto video = open(clip("h264.mp4"));
  const auto wanted = on_cpu(*video, {3, 20});
  for (const char* function :
       {"cuvidGetDecoderCaps", "cuvidCreateVideoParser", "cuvidCreateDecoder", "cuvidDecodePicture",
        "cuvidParseVideoData", "cuvidMapVideoFrame64"}) {
    release_cuda_decoders();
    FAKE(fake_fail)(function, 1, 999);
    const auto found = on_device(*video, {3, 20});
    EXPECT_EQ(found.report.why_on_cpu,
              std::string("NVDEC failed at ") + function + ": CUDA_ERROR_UNKNOWN");
    EXPECT_EQ(found.bytes, wanted);
    EXPECT_EQ(tests::counts().decoders, 0) << "one that saw an error is not kept";
  }
}

TEST_F(CudaDecode, KeptDecodersMakeRoomForANewOne) {
  on_device(*open(clip("h264.mp4")), {0});
  FAKE(fake_fail)("cuvidCreateDecoder", 1, 2);  // CUDA_ERROR_OUT_OF_MEMORY, once
  const auto found = on_device(*open(clip("hevc.mp4")), {0});
  EXPECT_EQ(found.report.why_on_cpu, "");
  EXPECT_EQ(tests::counts().decoders, 1);
}

TEST_F(CudaDecode, WrongTimesOfVp9PicturesAreNotBelieved) {
  FAKE(fake_set)("wrong_vp9_pts", 1);
  const auto video = open(clip("vp9.webm"));
  const std::vector<std::int64_t> frames = {1, 8, 9, 14, 23};
  const auto found = on_device(*video, frames);
  EXPECT_EQ(found.bytes, on_cpu(*video, frames));
  EXPECT_EQ(found.report.why_on_cpu, "") << "the CPU made up for it";
}

TEST_F(CudaDecode, SurfacesReusedLateGiveTheSamePictures) {
  FAKE(fake_set)("cycle", 1);
  const auto video = open(clip("h264.mp4"));
  EXPECT_EQ(on_device(*video, {0, 11, 12, 40}).bytes, on_cpu(*video, {0, 11, 12, 40}));
}

TEST_F(CudaDecode, AChangeOfSizeOnTheWayIsFollowed) {
  const auto video = open(clip("change.ts"));
  PictureFormat format;
  format.width = 160;
  format.height = 120;
  const auto frames = tests::all_frames(*video);
  const auto found = on_device(*video, frames, format);
  EXPECT_EQ(found.bytes, on_cpu(*video, frames, 160, 120));
  EXPECT_EQ(found.report.decoders_made, 2);
}

TEST_F(CudaDecode, AChangeOfDepthOnTheWayIsFollowed) {
  const auto video = open(clip("depths.ts"));
  const auto frames = tests::all_frames(*video);
  const auto found = on_device(*video, frames);
  EXPECT_EQ(found.report.why_on_cpu, "");
  EXPECT_EQ(found.bytes, on_cpu(*video, frames));
  EXPECT_EQ(found.report.decoders_made, 2);
}

TEST_F(CudaDecode, WhatNvdecDoesNotDecodeComesFromTheCpuWithTheReason) {
  for (const auto& [name, reason] : {std::pair{"mpeg4.avi", "NVDEC is not used for mpeg4"},
                                     {"small.mp4", "only 144x144 to"},
                                     {"interlaced.mp4", "do not tell its pictures"},
                                     {"h264_10.mp4", "does not decode h264"}}) {
    const auto video = open(clip(name));
    const auto frames = tests::all_frames(*video);
    PictureFormat format;
    format.order = PixelOrder::kPlanar;
    const auto found = on_device(*video, frames, format);
    EXPECT_NE(found.report.why_on_cpu.find(reason), std::string::npos) << found.report.why_on_cpu;
    const auto rgb = on_cpu(*video, frames);
    const std::size_t area = rgb.size() / frames.size() / 3;
    for (std::size_t i = 0; i < rgb.size(); ++i) {
      const std::size_t n = i / (3 * area), c = i % 3, at = i / 3 % area;
      ASSERT_EQ(found.bytes[(n * 3 + c) * area + at], rgb[i]) << name;
    }
  }
}

// GOPs of 12 pictures: the engine's first one is frame 0, to which the next eleven refer.
TEST_F(CudaDecode, APictureTheEngineCallsDamagedIsMarkedAndSoIsWhatRefersToIt) {
  FAKE(fake_set)("error_at", 0);
  const auto video = open(clip("h264.mp4"));
  const auto found = on_device(*video, {0, 1, 11, 12});
  EXPECT_EQ(found.status, (std::vector<FrameStatus>{FrameStatus::kDamaged, FrameStatus::kDamaged,
                                                    FrameStatus::kDamaged, FrameStatus::kOk}));
}

TEST_F(CudaDecode, DamageOfAPictureNobodyAskedForIsToldOfThoseThatReferToIt) {
  FAKE(fake_set)("error_at", 0);
  const auto video = open(clip("h264.mp4"));
  EXPECT_EQ(on_device(*video, {11}).status[0], FrameStatus::kDamaged);
}

TEST_F(CudaDecode, DamageOfAPictureNothingRefersToStaysWithIt) {
  const auto video = open(clip("h264.ts"));
  const FrameIndex& index = video->index();
  std::uint32_t packet = 0;  // fed in decoding order: as manieth as it is
  while (!index.packets.at(packet).is(Packet::kDroppable)) ++packet;
  FAKE(fake_set)("error_at", static_cast<int>(packet));
  DecodeOptions all;
  all.drop_unneeded = false;
  const auto frames = tests::all_frames(*video);
  const auto status = on_device(*video, frames, {}, 0, all).status;
  EXPECT_EQ(std::count(status.begin(), status.end(), FrameStatus::kDamaged), 1);
  EXPECT_EQ(status[static_cast<std::size_t>(index.frame_of_packet[packet])], FrameStatus::kDamaged);
}

TEST_F(CudaDecode, SeveralDecodersShareARequestAndGiveTheSamePictures) {
  for (const char* name : {"h264.mp4", "open_gop.mp4", "depths.ts", "h264.ts"}) {
    const auto video = open(clip(name));
    std::vector<std::int64_t> frames = {44, 2, 30, 2, 17, 9, 21};
    for (std::int64_t& frame : frames) frame %= video->index().frame_count();
    DecodeOptions four;
    four.threads = 4;
    const auto found = on_device(*video, frames, {}, 0, four);
    EXPECT_EQ(found.bytes, on_cpu(*video, frames)) << name;
    EXPECT_EQ(found.status, std::vector<FrameStatus>(frames.size(), FrameStatus::kOk)) << name;
    EXPECT_EQ(found.report.why_on_cpu, "") << name;
    EXPECT_GE(found.report.seeks, 2) << name;
  }
}

TEST_F(CudaDecode, TooManyThreadsAreRefused) {
  DecodeOptions many;
  many.threads = 65;
  const auto video = open(clip("h264.mp4"));
  EXPECT_THROW(on_device(*video, {0}, {}, 0, many), Error);
}

TEST_F(CudaDecode, ADecoderIsKeptForTheNextRequestAndFourAtMost) {
  const auto first = open(clip("h264.mp4"));
  EXPECT_EQ(on_device(*first, {3}).report.decoders_made, 1);
  EXPECT_EQ(on_device(*first, {9}).report.decoders_reused, 1);
  for (const char* name : {"open_gop.mp4", "hevc.mp4", "vp9.webm", "av1.mp4"}) {
    on_device(*open(clip(name)), {0});
  }
  EXPECT_EQ(tests::counts().decoders, 4);
  EXPECT_EQ(on_device(*first, {3}).report.decoders_made, 1) << "the oldest had to go";
}

TEST_F(CudaDecode, AThreadWithoutAContextIsServedAndLeftWithoutOne) {
  const auto video = open(clip("h264.mp4"));
  std::size_t bytes = on_cpu(*video, {4}).size();
  CUdeviceptr memory = 0;
  {
    const device::ContextGuard context(0);
    device::check(device::cuda().allocate(&memory, bytes, nullptr), "cuMemAllocAsync");
  }
  std::thread([&] {
    EXPECT_TRUE(decode_to_cuda(*video, {4}, {}, {0, memory, bytes, 0}, {}));
    EXPECT_EQ(FAKE(fake_current_device)(), -1);
  }).join();
  const device::ContextGuard context(0);
  device::cuda().release(memory, nullptr);
}

TEST_F(CudaDecode, FourThreadsAtOnceGetTheirOwnPictures) {
  const auto video = open(clip("h264.mp4"));
  const auto wanted = on_cpu(*video, tests::all_frames(*video));
  const std::size_t picture =
      wanted.size() / static_cast<std::size_t>(video->index().frame_count());
  std::vector<std::thread> threads;
  for (std::int64_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const std::int64_t frame = 11 * i + 3;
      const auto found = on_device(*video, {frame}, {}, static_cast<int>(i % 2));
      EXPECT_EQ(std::memcmp(found.bytes.data(), &wanted[static_cast<std::size_t>(frame) * picture],
                            picture),
                0);
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST_F(CudaDecode, TheSecondDeviceDecodesTheSame) {
  const auto video = open(clip("hevc.mp4"));
  EXPECT_EQ(on_device(*video, {2, 13}, {}, 1).bytes, on_cpu(*video, {2, 13}));
  EXPECT_THROW(on_device(*video, {2}, {}, 7), Error);
}

TEST_F(CudaDecode, BadRequestsAreRefusedWithWhatWouldBeValid) {
  const auto video = open(clip("h264.mp4"));
  const std::size_t bytes = 352 * 270 * 3;
  PictureFormat patches;
  patches.order = PixelOrder::kPatches;
  const auto code = [&](std::vector<std::int64_t> frames, const PictureFormat& format,
                        CudaTarget target) {
    return decode_to_cuda(*video, frames, format, target, {}).code();
  };
  EXPECT_EQ(code({50}, {}, {0, 256, bytes, 0}), Errc::kOutOfRange);
  EXPECT_EQ(code({0}, {}, {0, 256, bytes - 1, 0}), Errc::kInvalidArgument);
  EXPECT_EQ(code({0}, {}, {0, 0, bytes, 0}), Errc::kInvalidArgument);
  EXPECT_EQ(code({0}, patches, {0, 256, bytes * 9, 0}), Errc::kInvalidArgument);  // 352 % 28
  EXPECT_EQ(code({0}, {}, {9, 256, bytes, 0}), Errc::kNoDevice);
  PictureFormat floats;
  floats.element = ElementType::kFloat32;
  EXPECT_EQ(code({0}, floats, {0, 258, bytes * 4, 0}), Errc::kInvalidArgument);
  EXPECT_TRUE(decode_to_cuda(*video, {}, {}, {0, 256, 0, 0}, {}));
}

TEST_F(CudaDecode, AForkedChildIsToldToStartDifferently) {
  const auto video = open(clip("h264.mp4"));
  on_device(*video, {0});
  const pid_t child = ::fork();
  if (child == 0) {
    const bool told =
        !cuda_status().driver && cuda_device(0).code() == Errc::kForked &&
        decode_to_cuda(*video, {0}, {}, {0, 256, 1 << 20, 0}, {}).code() == Errc::kForked;
    release_cuda_decoders();  // must not touch the parent's
    ::_exit(told ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(on_device(*video, {0}).report.decoders_reused, 1) << "the parent goes on";
}

TEST_F(CudaDecode, OwnMemoryIsFreedAfterItsConsumerHasReadIt) {
  const auto video = open(clip("h264.mp4"));
  const auto wanted = on_cpu(*video, {9});
  std::vector<std::uint8_t> found(wanted.size());
  const device::ContextGuard context(0);
  const device::Stream consumer;
  auto memory = CudaMemory::allocate(0, wanted.size()).value();
  ASSERT_TRUE(decode_to_cuda(*video, {9}, {}, memory->target(), {}));
  memory->filled().value();
  memory->read_on(reinterpret_cast<std::uintptr_t>(consumer.get())).value();
  device::check(device::cuda().copy_to_host(found.data(), memory->target().address, found.size(),
                                            consumer.get()),
                "copy");
  memory.reset();  // the consumer's read is queued and has not run
  device::check(device::cuda().stream_synchronise(consumer.get()), "synchronise");
  EXPECT_EQ(found, wanted);
}

TEST_F(CudaDecode, OwnMemoryIsReadAfterEverythingThatFillsIt) {
  const device::ContextGuard context(0);
  const device::Stream consumer;
  constexpr std::size_t kBytes = 64;
  const auto memory = CudaMemory::allocate(0, kBytes).value();
  const CudaTarget target = memory->target();
  std::vector<std::uint8_t> found(kBytes);
  const auto producer = reinterpret_cast<CUstream>(static_cast<std::uintptr_t>(target.stream));
  const std::vector<std::uint8_t> wanted(kBytes, 42);
  device::check(device::cuda().copy_to_device(target.address, wanted.data(), kBytes, producer),
                "fill");
  memory->filled().value();  // queued; the fake's streams are lazy, nothing has run
  memory->read_on(reinterpret_cast<std::uintptr_t>(consumer.get())).value();
  device::check(device::cuda().copy_to_host(found.data(), target.address, kBytes, consumer.get()),
                "copy");
  device::check(device::cuda().stream_synchronise(consumer.get()), "synchronise");
  EXPECT_EQ(found, wanted);
}

TEST_F(CudaDecode, ADeadlineEndsTheRequestAndLeaksNothing) {
  const auto video = open(clip("h264.mp4"));
  std::atomic<bool> cancel{true};
  DecodeOptions options;
  options.deadline.cancel_flag = &cancel;
  EXPECT_THROW(on_device(*video, {40}, {}, 0, options), Error);
}

}  // namespace
}  // namespace deepsport
