// What NVDEC's parser is fed: headers where decoding starts, nothing added elsewhere.
#include <gtest/gtest.h>

#include <cstring>

#include "cuda/parser_input.hpp"

namespace deepsport::cuda {
namespace {

using Bytes = std::vector<std::uint8_t>;

// OBUs of AV1 5.3: type << 3, has_size, then the size.
const Bytes kDelimiter = {2 << 3 | 2, 0}, kSequence = {1 << 3 | 2, 3, 7, 8, 9},
            kFrame = {6 << 3 | 2, 2, 5, 5}, kLastFrame = {6 << 3, 5, 5};

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Bytes av1_input(const Bytes& extradata, const Bytes& unit, bool starts = true) {
  FrameIndex index;
  index.stream.codec_id = AV_CODEC_ID_AV1;
  index.stream.extradata = extradata;
  ParserInput input(index);
  const ffmpeg::PacketPtr packet = ffmpeg::make_packet();
  EXPECT_EQ(av_new_packet(packet.get(), static_cast<int>(unit.size())), 0);
  std::memcpy(packet->data, unit.data(), unit.size());
  return input.convert(0, packet.get(), starts);
}

TEST(CudaParserInput, Av1HeadersOfAnMp4StandInFrontOfAStartThatHasNone) {
  const Bytes box = Bytes{0x81, 4, 12, 0} + kSequence;
  EXPECT_EQ(av1_input(box, kFrame), kSequence + kFrame);
  EXPECT_EQ(av1_input(box, kDelimiter + kFrame), kDelimiter + kSequence + kFrame);
  EXPECT_EQ(av1_input(box, kLastFrame), kSequence + kLastFrame);
  EXPECT_EQ(av1_input(kSequence, kFrame), kSequence + kFrame) << "without a box around them";
}

TEST(CudaParserInput, Av1UnitsThatNeedNothingStayAsTheyAre) {
  const Bytes box = Bytes{0x81, 4, 12, 0} + kSequence;
  const Bytes whole = kDelimiter + kSequence + kFrame;
  EXPECT_EQ(av1_input(box, whole), whole);
  EXPECT_EQ(av1_input(box, kFrame, false), kFrame) << "no start";
  EXPECT_EQ(av1_input({}, kFrame), kFrame);
  EXPECT_EQ(av1_input({0x81, 4}, kFrame), kFrame);
}

TEST(CudaParserInput, ADamagedAv1UnitIsNotReadBehindItsEnd) {
  const Bytes box = Bytes{0x81, 4, 12, 0} + kSequence;
  for (const Bytes& unit : {Bytes{6 << 3 | 2}, Bytes{6 << 3 | 6}, Bytes{6 << 3 | 2, 200},
                            Bytes{6 << 3 | 2, 255, 255, 255, 255, 255, 255, 255, 255, 255}}) {
    EXPECT_EQ(av1_input(box, unit), kSequence + unit);
  }
}

}  // namespace
}  // namespace deepsport::cuda
