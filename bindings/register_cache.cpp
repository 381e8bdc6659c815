// FrameCache: frames shared between processes.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "arrays.hpp"
#include "deadlines.hpp"
#include "deepsport/cache.hpp"
#include "registers.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace deepsport::bindings {
namespace {

using Pixels = py::array_t<std::uint8_t, py::array::c_style>;

std::vector<FrameKey> keys_of(const py::bytes& video, const std::vector<std::int64_t>& frames,
                              int width, int height) {
  const std::string_view identity = video;
  FrameKey key;
  if (identity.size() != key.video.size()) {
    throw Error(Errc::kInvalidArgument, "a video's identity of " + std::to_string(identity.size()) +
                                            " bytes in the frame cache; valid are 16");
  }
  std::copy(identity.begin(), identity.end(), key.video.begin());
  key.width = width;
  key.height = height;
  std::vector<FrameKey> keys;
  keys.reserve(frames.size());
  for (const std::int64_t frame : frames) {
    key.frame = frame;
    keys.push_back(key);
  }
  return keys;
}

py::tuple take(FrameCache& cache, const py::bytes& video, const std::vector<std::int64_t>& frames,
               int width, int height, bool claim) {
  const auto keys = keys_of(video, frames, width, height);
  if (width < 1 || height < 1) cache.take(keys, nullptr, nullptr, false);  // throws
  Pixels out({static_cast<py::ssize_t>(frames.size()), static_cast<py::ssize_t>(height),
              static_cast<py::ssize_t>(width), static_cast<py::ssize_t>(3)});
  std::uint8_t* data = out.mutable_data();
  std::vector<FrameStatus> status(frames.size(), FrameStatus::kMissing);
  std::vector<Taken> taken;
  {
    const py::gil_scoped_release release;
    taken = cache.take(keys, data, status.data(), claim);
  }
  return py::make_tuple(out, to_array<std::uint8_t>(taken), to_array<std::uint8_t>(status));
}

bool publish(FrameCache& cache, const py::bytes& video, std::int64_t frame, const Pixels& pixels,
             int status) {
  if (pixels.ndim() != 3 || pixels.shape(2) != 3) {
    throw Error(Errc::kInvalidArgument, "a frame of " + std::to_string(pixels.ndim()) +
                                            " dimensions for the frame cache; valid is uint8, "
                                            "(height, width, 3)");
  }
  const auto key = keys_of(video, {frame}, static_cast<int>(pixels.shape(1)),
                           static_cast<int>(pixels.shape(0)))[0];
  const std::uint8_t* data = pixels.data();
  const py::gil_scoped_release release;
  return cache.publish(key, data, static_cast<FrameStatus>(status));
}

py::dict facts_of(FrameCache& cache) {
  CacheFacts facts;
  {
    const py::gil_scoped_release release;
    facts = cache.facts();
  }
  py::dict out;
  out["capacity_bytes"] = facts.capacity_bytes;
  out["used_bytes"] = facts.used_bytes;
  out["frames"] = facts.frames;
  out["processes"] = facts.processes;
  out["hits"] = facts.hits;
  out["misses"] = facts.misses;
  out["waits"] = facts.waits;
  out["evictions"] = facts.evictions;
  out["recoveries"] = facts.recoveries;
  out["rejected"] = facts.rejected;
  out["bypassed"] = facts.bypassed;
  return out;
}

}  // namespace

void register_cache(py::module_& m) {
  auto sub = m.def_submodule("cache", "Frames shared between processes.");
  py::class_<FrameCache, std::shared_ptr<FrameCache>>(sub, "FrameCache")
      .def("take", &take, "video"_a, "frames"_a, "width"_a, "height"_a, "claim"_a)
      .def("publish", &publish, "video"_a, "frame"_a, "pixels"_a, "status"_a)
      .def(
          "abandon",
          [](FrameCache& cache, const py::bytes& video, const std::vector<std::int64_t>& frames,
             int width, int height) {
            const auto keys = keys_of(video, frames, width, height);
            const py::gil_scoped_release release;
            cache.abandon(keys);
          },
          "video"_a, "frames"_a, "width"_a, "height"_a)
      .def(
          "wait",
          [](FrameCache& cache, const py::bytes& video, const std::vector<std::int64_t>& frames,
             int width, int height, double seconds) {
            const auto keys = keys_of(video, frames, width, height);
            Deadline deadline = deadline_of(0);
            const py::gil_scoped_release release;
            return cache.wait(keys, seconds, std::move(deadline));
          },
          "video"_a, "frames"_a, "width"_a, "height"_a, "seconds"_a)
      .def("facts", &facts_of)
      .def("audit",
           [](FrameCache& cache) {
             const py::gil_scoped_release release;
             return cache.audit();
           })
      .def_property_readonly("path", &FrameCache::path);
  sub.def(
      "attach",
      [](const std::string& path, std::uint64_t bytes) {
        const py::gil_scoped_release release;
        return FrameCache::attach(path, bytes).value();
      },
      "path"_a, "bytes"_a);
  sub.def(
      "segments",
      [](const std::string& folder, bool remove) {
        py::list out;
        const std::vector<SegmentFile> files = cache_segments(folder, remove).value();
        for (const SegmentFile& file : files) {
          out.append(py::make_tuple(file.path, file.bytes, file.in_use));
        }
        return out;
      },
      "folder"_a, "remove"_a);
}

}  // namespace deepsport::bindings
