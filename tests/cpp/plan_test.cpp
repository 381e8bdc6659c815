// Which packets a request needs. The indices here are written by hand; no file is read.
#include "frames/plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace deepsport {
namespace {

// Packets as (pts, key, droppable) in decoding order.
struct Given {
  std::int64_t pts;
  bool key, droppable;
};
FrameIndex index_of(const std::vector<Given>& given) {
  FrameIndex index;
  for (const Given& g : given) {
    Packet packet;
    packet.pts = packet.dts = g.pts;
    packet.flags = (g.key ? Packet::kKey : 0u) | (g.droppable ? Packet::kDroppable : 0u);
    index.packets.push_back(packet);
  }
  index.order_by_pts();
  EXPECT_TRUE(index.finish());
  return index;
}

// Two closed groups: I0 P3 b1 b2 | I4 P7 b5 b6.
FrameIndex closed() {
  return index_of({{0, true, false},
                   {3, false, false},
                   {1, false, true},
                   {2, false, true},
                   {4, true, false},
                   {7, false, false},
                   {5, false, true},
                   {6, false, true}});
}
// An open group: I0 P3 b1 b2 I6 b4 b5 P9, where b4 and b5 need P3 and I6.
FrameIndex open_group() {
  return index_of({{0, true, false},
                   {3, false, false},
                   {1, false, true},
                   {2, false, true},
                   {6, true, false},
                   {4, false, true},
                   {5, false, true},
                   {9, false, false}});
}

TEST(Index, ReorderDepthCountsPicturesDecodedBeforeAndShownAfter) {
  EXPECT_EQ(closed().reorder_depth, 1);
  EXPECT_EQ(index_of({{0, true, false}, {1, false, false}}).reorder_depth, 0);
  EXPECT_EQ(index_of({{0, true, false}, {4, false, false}, {2, false, false}, {1, false, true}})
                .reorder_depth,
            2);
}

TEST(Plan, GroupsFramesByTheirStart) {
  const auto segments = plan_segments(closed(), {6, 1, 1, 3});
  ASSERT_EQ(segments.size(), 2u);
  EXPECT_EQ(segments[0].start, 0u);
  EXPECT_EQ(segments[0].targets, (std::vector<std::uint32_t>{1, 2}));
  EXPECT_EQ(segments[1].start, 4u);
  EXPECT_EQ(segments[1].targets, (std::vector<std::uint32_t>{7}));
}

TEST(Plan, LeadingPicturesOfAnOpenGroupNeedTheStartBefore) {
  const FrameIndex index = open_group();
  EXPECT_EQ(start_for(index, 5), 0u);  // b4
  EXPECT_EQ(start_for(index, 7), 4u);  // P9
  const auto segments = plan_segments(index, {4, 7});
  ASSERT_EQ(segments.size(), 1u) << "the run from 0 passes the start at 4 on its way to b4";
  EXPECT_EQ(segments[0].start, 0u);
  EXPECT_EQ(segments[0].targets, (std::vector<std::uint32_t>{5, 7}));
}

TEST(Plan, ARunThatMustBeginEarlierJoinsTheOneBefore) {
  // I0 p1 | I5 I6 b2: b2 is shown before both later starts, so its run begins at I0, which the run
  // of p1 has passed.
  const FrameIndex index = index_of(
      {{0, true, false}, {1, false, false}, {5, true, false}, {6, true, false}, {2, false, true}});
  const auto segments = plan_segments(index, {1, 4, 2});
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_EQ(segments[0].start, 0u);
  EXPECT_EQ(segments[0].targets, (std::vector<std::uint32_t>{1, 3, 4}));
}

TEST(Plan, NothingAskedIsNothingPlanned) {
  EXPECT_TRUE(plan_segments(closed(), {}).empty());
}

TEST(Index, FindsTheFrameOnScreen) {
  FrameIndex index = closed();
  index.stream.time_base_num = 1;
  index.stream.time_base_den = 10;
  index.end_pts = 8;
  EXPECT_EQ(index.frame_at(0.0, "x"), 0);
  EXPECT_EQ(index.frame_at(0.19, "x"), 1);
  EXPECT_EQ(index.frame_at(0.2, "x"), 2);
  EXPECT_EQ(index.frame_at(0.79, "x"), 7);
  EXPECT_THROW(index.frame_at(0.8, "x"), Error);
  EXPECT_THROW(index.frame_at(-0.1, "x"), Error);
}

TEST(Index, OrdersAndMeasuresReorderingAsTheDefinitionsSay) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    // Shuffled within a reach, beyond the one that inserting bears as well; times repeat.
    const auto reach = static_cast<std::size_t>(1 + round % 60);
    std::vector<Given> given(1 + random() % 150);
    for (std::size_t i = 0; i < given.size(); ++i) {
      given[i] = {static_cast<std::int64_t>(i - i % (1 + round % 3u)), i == 0, false};
    }
    for (std::size_t i = 0; i < given.size(); ++i) {
      std::swap(given[i], given[std::min(given.size() - 1, i + random() % reach)]);
    }
    const FrameIndex index = index_of(given);
    std::vector<std::uint32_t> order(given.size());
    for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return given[a].pts < given[b].pts; });
    EXPECT_EQ(index.display_order, order);
    int most = 0;
    for (std::size_t i = 0; i < given.size(); ++i) {
      EXPECT_EQ(index.pts[i], given[order[i]].pts);
      int later = 0;
      for (std::size_t k = 0; k < i; ++k) {
        if (index.frame_of_packet[k] > index.frame_of_packet[i]) ++later;
      }
      most = std::max(most, later);
    }
    EXPECT_EQ(index.reorder_depth, std::min(most, 16));
  }
}

TEST(Index, RefusesTablesThatContradictThemselves) {
  FrameIndex index = closed();
  index.display_order[0] = 99;
  EXPECT_FALSE(index.finish());
  index = closed();
  index.display_order[0] = index.display_order[1];
  EXPECT_FALSE(index.finish());
  index = closed();
  index.pts[3] = -5;
  EXPECT_FALSE(index.finish());
}

}  // namespace
}  // namespace deepsport
