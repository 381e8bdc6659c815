// Video: open, facts, and pictures by frame index.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>
#include <tuple>

#include "arrays.hpp"
#include "deadlines.hpp"
#include "deepsport/frames.hpp"
#include "registers.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace deepsport::bindings {
namespace {

std::shared_ptr<const Source> source_of(const py::object& what, const std::string& name) {
  if (py::isinstance<py::str>(what)) return open_file(what.cast<std::string>()).value();
  if (py::isinstance<py::int_>(what)) return open_descriptor(what.cast<int>(), name).value();
  if (PyObject_CheckBuffer(what.ptr()) != 0) {
    auto view = std::make_shared<py::buffer_info>(py::buffer(what).request());
    const void* data = view->ptr;
    const auto size = static_cast<std::size_t>(view->size * view->itemsize);
    // The last owner may let go without the GIL: take it to drop the buffer.
    const std::shared_ptr<const void> owner(data, [view](const void*) mutable {
      const py::gil_scoped_acquire gil;
      view.reset();
    });
    return open_memory(owner, data, size, name);
  }
  // A function of Python: read_at(offset, count) -> bytes, its total size, and may it be called
  // after fork()?
  auto [python, size, after_fork] = what.cast<std::tuple<py::function, std::uint64_t, bool>>();
  auto function =
      std::shared_ptr<py::function>(new py::function(std::move(python)), [](py::function* gone) {
        const py::gil_scoped_acquire gil;
        delete gone;
      });
  const ReadAt read = [function](std::uint64_t offset, void* into, std::size_t count) {
    const py::gil_scoped_acquire gil;
    try {  // nothing but Error may unwind through FFmpeg
      const py::object answer = (*function)(offset, count);
      if (!py::isinstance<py::bytes>(answer)) {
        throw Error(Errc::kIo, "reading " + std::to_string(count) + " bytes at " +
                                   std::to_string(offset) + ": the file object gave a " +
                                   Py_TYPE(answer.ptr())->tp_name +
                                   "; valid is one opened in binary mode, which gives bytes");
      }
      const auto view = answer.cast<std::string_view>();
      const std::size_t got = std::min(count, view.size());
      std::memcpy(into, view.data(), got);
      return got;
    } catch (const py::error_already_set& error) {
      if (!error.matches(PyExc_Exception)) {  // KeyboardInterrupt, SystemExit: not the file's
        throw Error(Errc::kCancelled, std::string("interrupted while reading: ") + error.what(),
                    std::current_exception());
      }
      throw Error(Errc::kIo, "reading " + std::to_string(count) + " bytes at " +
                                 std::to_string(offset) + ": the file object failed: " +
                                 error.what() + "; valid is one that can be read to its end");
    }
  };
  return open_reader(read, size, name, after_fork ? AfterFork::kWorks : AfterFork::kRefused);
}

std::shared_ptr<Video> open_video(const py::object& what, const std::string& name,
                                  double open_seconds, std::int64_t max_pixels,
                                  std::int64_t max_packets, bool use_sample_table,
                                  const std::string& cache_folder, double keep_after_seconds,
                                  const py::object& cancel) {
  OpenOptions options;
  options.index.limits.max_pixels = max_pixels;
  options.index.limits.max_packets = max_packets;
  options.index.use_sample_table = use_sample_table;
  options.index.cache_folder = cache_folder;
  options.index.keep_after_seconds = keep_after_seconds;
  auto source = source_of(what, name);
  Deadline deadline = deadline_of(open_seconds, cancel);
  const py::gil_scoped_release release;
  return Video::open(std::move(source), options, std::move(deadline)).value();
}

py::dict facts_of(const Video& video) {
  const FrameIndex& index = video.index();
  const StreamFacts& stream = index.stream;
  py::dict facts;
  facts["container"] = stream.container;
  facts["codec"] = stream.codec;
  facts["width"] = stream.width();
  facts["height"] = stream.height();
  facts["rotation"] = stream.orientation.rotation_degrees;
  facts["sample_aspect_ratio"] =
      py::make_tuple(stream.sample_aspect_num, std::max(1, stream.sample_aspect_den));
  facts["square_size"] = py::make_tuple(stream.square_width(), stream.square_height());
  const ColorNames colors = color_names(stream);
  facts["color_range"] = colors.range;
  facts["color_primaries"] = colors.primaries;
  facts["color_transfer"] = colors.transfer;
  facts["color_matrix"] = colors.matrix;
  facts["is_hdr"] = is_hdr(stream);
  facts["time_base"] = py::make_tuple(stream.time_base_num, stream.time_base_den);
  facts["frame_count"] = index.frame_count();
  facts["keyframe_count"] = index.key_packets.size();
  facts["packet_count"] = index.packets.size();
  facts["end_seconds"] = index.seconds(index.end_pts);
  facts["variable_frame_rate"] = index.variable_frame_rate();
  facts["truncated"] = index.truncated;
  facts["from_cache"] = index.from_cache;
  facts["remark"] = index.remark;
  facts["modified_ns"] = video.source()->modified_ns();
  facts["origin"] = index.origin == IndexOrigin::kSampleTable       ? "sample table"
                    : index.origin == IndexOrigin::kBlockHeaders    ? "block headers"
                    : index.origin == IndexOrigin::kTransportStream ? "transport stream"
                    : index.origin == IndexOrigin::kPacketScan      ? "packet scan"
                                                                    : "decoding";
  return facts;
}

// Hashing takes as long as reading the tables of an mp4: only when it is asked for.
std::string signature_of(const Video& video) {
  const py::gil_scoped_release release;
  return content_signature(*video.source()).value();
}

py::array_t<double> pts_seconds_of(const Video& video) {
  const FrameIndex& index = video.index();
  py::array_t<double> out(static_cast<py::ssize_t>(index.pts.size()));
  double* data = out.mutable_data();
  for (std::size_t i = 0; i < index.pts.size(); ++i) data[i] = index.seconds(index.pts[i]);
  return out;
}

// Columns of the packet table, in decoding order.
py::dict packets_of(const Video& video) {
  const auto& packets = video.index().packets;
  const auto count = static_cast<py::ssize_t>(packets.size());
  py::array_t<std::int64_t> pts(count), dts(count), offset(count), size(count), frame(count);
  py::array_t<std::uint32_t> flags(count);
  for (py::ssize_t i = 0; i < count; ++i) {
    const Packet& packet = packets[static_cast<std::size_t>(i)];
    pts.mutable_at(i) = packet.pts;
    dts.mutable_at(i) = packet.dts;
    offset.mutable_at(i) = static_cast<std::int64_t>(packet.offset);
    size.mutable_at(i) = packet.size;
    flags.mutable_at(i) = packet.flags;
    frame.mutable_at(i) = video.index().frame_of_packet[static_cast<std::size_t>(i)];
  }
  py::dict columns;
  columns["pts"] = pts;
  columns["dts"] = dts;
  columns["offset"] = offset;
  columns["size"] = size;
  columns["flags"] = flags;
  columns["frame"] = frame;
  return columns;
}

py::tuple rgb(Video& video, const std::vector<std::int64_t>& frames, int width, int height,
              int threads, bool drop_unneeded, double seconds,
              std::optional<py::array_t<std::uint8_t, py::array::c_style>> given,
              const py::object& cancel) {
  const StreamFacts& stream = video.index().stream;
  if (width <= 0) width = stream.width();
  if (height <= 0) height = stream.height();
  const std::vector<py::ssize_t> shape = {
      static_cast<py::ssize_t>(frames.size()), static_cast<py::ssize_t>(height),
      static_cast<py::ssize_t>(width), static_cast<py::ssize_t>(3)};
  py::array_t<std::uint8_t, py::array::c_style> out =
      given ? *given : aligned_array(py::dtype::of<std::uint8_t>(), shape);
  if (!std::equal(shape.begin(), shape.end(), out.shape(), out.shape() + out.ndim())) {
    throw Error(Errc::kInvalidArgument, "out has the shape " + shape_text(out) + "; valid is " +
                                            shape_text(shape) + ": frames, height, width, 3");
  }
  std::uint8_t* data = out.mutable_data();
  DecodeOptions options;
  options.threads = threads;
  options.drop_unneeded = drop_unneeded;
  options.deadline = deadline_of(seconds, cancel);
  std::vector<FrameStatus> status;
  DecodeCounts counts;
  {
    const py::gil_scoped_release release;
    status = video.rgb(frames, {width, height}, options, data, &counts).value();
  }
  return py::make_tuple(
      out, to_array<std::uint8_t>(status),
      py::make_tuple(counts.packets_decoded, counts.packets_dropped, counts.seeks));
}

py::list planes(Video& video, const std::vector<std::int64_t>& frames, int threads,
                bool drop_unneeded, double seconds) {
  DecodeOptions options;
  options.threads = threads;
  options.drop_unneeded = drop_unneeded;
  options.deadline = deadline_of(seconds);
  std::vector<Planes> result;
  {
    const py::gil_scoped_release release;
    result = video.planes(frames, options).value();
  }
  py::list out;
  for (const Planes& one : result) {
    out.append(py::make_tuple(one.pixel_format, one.width, one.height,
                              to_array<std::uint8_t>(one.bytes), static_cast<int>(one.status)));
  }
  return out;
}

}  // namespace

void register_video(py::module_& m) {
  quiet_ffmpeg();
  auto sub = m.def_submodule("video", "Opened videos.");
  py::class_<Video, std::shared_ptr<Video>>(sub, "Video")
      .def("facts", &facts_of)
      .def("signature", &signature_of)
      .def("pts_seconds", &pts_seconds_of)
      .def("packets", &packets_of)
      .def(
          "resolve",
          [](const Video& video, const std::vector<std::int64_t>& indices) {
            return to_array<std::int64_t>(video.resolve(indices));
          },
          "indices"_a)
      .def(
          "played_at",
          [](const Video& video, const std::vector<double>& seconds) {
            return to_array<std::int64_t>(video.played_at(seconds));
          },
          "seconds"_a)
      .def(
          "window",
          [](const Video& video, double start, double stop, std::int64_t count) {
            std::vector<std::int64_t> frames;
            {
              const py::gil_scoped_release release;
              frames = video.window(start, stop, count);
            }
            return to_array<std::int64_t>(frames);
          },
          "start"_a, "stop"_a, "count"_a)
      .def("rgb", &rgb, "frames"_a, "width"_a, "height"_a, "threads"_a, "drop_unneeded"_a,
           "seconds"_a, "out"_a.noconvert() = py::none(), "cancel"_a = py::none())
      .def("planes", &planes, "frames"_a, "threads"_a, "drop_unneeded"_a, "seconds"_a);
  sub.def("open", &open_video, "what"_a, "name"_a, "open_seconds"_a, "max_pixels"_a,
          "max_packets"_a, "use_sample_table"_a, "cache_folder"_a, "keep_after_seconds"_a,
          "cancel"_a = py::none());
}

}  // namespace deepsport::bindings
