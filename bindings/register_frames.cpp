// Pictures in the layouts that models take: decoded, or laid out from memory.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>

#include "arrays.hpp"
#include "deadlines.hpp"
#include "deepsport/frames.hpp"
#include "deepsport/frames/patches.hpp"
#include "registers.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace deepsport::bindings {
namespace {

using Pictures = py::array_t<std::uint8_t, py::array::c_style>;

py::tuple patches(const Pictures& pictures, int patch, int merge, int temporal,
                  const std::array<float, 3>& mean, const std::array<float, 3>& std, bool as_video,
                  int element) {
  if (pictures.ndim() != 4 || pictures.shape(3) != 3) {
    throw Error(Errc::kInvalidArgument, "patches of pictures of shape " + shape_text(pictures) +
                                            "; valid is uint8 of shape (n, height, width, 3)");
  }
  PatchLayout layout;
  layout.patch = patch;
  layout.merge = merge;
  layout.temporal = temporal;
  for (std::size_t c = 0; c < 3; ++c) {
    layout.mean[c] = mean[c];
    layout.std[c] = std[c];
  }
  const std::int64_t count = pictures.shape(0);
  const int height = static_cast<int>(pictures.shape(1)),
            width = static_cast<int>(pictures.shape(2));
  const PatchShape shape = patch_shape(count, height, width, layout, as_video).value();
  const auto kind = static_cast<Element>(element);
  const py::dtype type = kind == Element::kFloat32 ? py::dtype("float32") : py::dtype("uint16");
  py::array out = aligned_array(type, {shape.rows, shape.columns});
  void* data = out.mutable_data();
  const std::uint8_t* from = pictures.data();
  {
    const py::gil_scoped_release release;
    to_patches(from, count, height, width, layout, as_video, kind, data);
  }
  return py::make_tuple(out, py::make_tuple(shape.grid_t, shape.grid_h, shape.grid_w));
}

PictureFormat format_of(int width, int height, int order, int element,
                        const std::array<float, 3>& mean, const std::array<float, 3>& deviation,
                        const std::array<int, 3>& patch, bool spans) {
  PictureFormat format;
  format.width = width;
  format.height = height;
  format.order = static_cast<PixelOrder>(order);
  format.element = static_cast<ElementType>(element);
  std::copy(mean.begin(), mean.end(), format.mean);
  std::copy(deviation.begin(), deviation.end(), format.deviation);
  format.patch = patch[0];
  format.merge = patch[1];
  format.temporal = patch[2];
  format.spans = spans;
  format.check();  // what is asked of it next divides by these numbers
  return format;
}

// Shape and NumPy type of pictures laid out so; bfloat16, which NumPy does not know, as its bits.
py::array empty_pictures(const PictureFormat& format, std::size_t frames) {
  const py::ssize_t count = static_cast<py::ssize_t>(frames);
  const py::ssize_t width = format.width, height = format.height;
  const char* type = "uint16";
  if (format.element == ElementType::kUint8) type = "uint8";
  if (format.element == ElementType::kFloat32) type = "float32";
  if (format.element == ElementType::kFloat16) type = "float16";
  std::vector<py::ssize_t> shape = {count, height, width, 3};
  if (format.order == PixelOrder::kPlanar) shape = {count, 3, height, width};
  if (format.order == PixelOrder::kPatches) {
    const py::ssize_t columns = py::ssize_t{3} * format.temporal * format.patch * format.patch;
    const auto bytes = format.total_bytes(frames, format.width, format.height);
    const auto elements = static_cast<py::ssize_t>(bytes / format.element_bytes());
    shape = {elements / columns, columns};
  }
  return aligned_array(py::dtype(type), shape);
}

py::array laid_out(const std::vector<const std::uint8_t*>& pictures, py::ssize_t height,
                   py::ssize_t width, const PictureFormat& format) {
  format.check();
  py::array out = empty_pictures(format, pictures.size());
  void* data = out.mutable_data();
  {
    const py::gil_scoped_release release;
    lay_out(pictures, static_cast<int>(height), static_cast<int>(width), format, data).value();
  }
  return out;
}

py::array lay_out_pictures(const Pictures& pictures, const PictureFormat& format) {
  if (pictures.ndim() != 4 || pictures.shape(3) != 3) {
    throw Error(Errc::kInvalidArgument, "laying out pictures of shape " + shape_text(pictures) +
                                            "; valid is uint8 of shape (n, height, width, 3)");
  }
  std::vector<const std::uint8_t*> each;
  for (py::ssize_t i = 0; i < pictures.shape(0); ++i) {
    each.push_back(pictures.data() + i * 3 * pictures.shape(1) * pictures.shape(2));
  }
  return laid_out(each, pictures.shape(1), pictures.shape(2), format);
}

py::array lay_out_list(const std::vector<Pictures>& pictures, const PictureFormat& format) {
  std::vector<const std::uint8_t*> each;
  for (const Pictures& one : pictures) {
    if (one.ndim() != 3 || one.shape(2) != 3 || one.shape(0) != pictures.front().shape(0) ||
        one.shape(1) != pictures.front().shape(1)) {
      throw Error(Errc::kInvalidArgument,
                  "laying out pictures of shape " + shape_text(one) + " beside " +
                      shape_text(pictures.front()) +
                      "; valid is uint8 of shape (height, width, 3), all of one shape");
    }
    each.push_back(one.data());
  }
  if (each.empty()) throw Error(Errc::kInvalidArgument, "laying out no picture; valid are some");
  return laid_out(each, pictures.front().shape(0), pictures.front().shape(1), format);
}

py::tuple decode_pictures(Video& video, const std::vector<std::int64_t>& frames,
                          const PictureFormat& format, const py::object& given, int threads,
                          bool drop_unneeded, double seconds, const py::object& cancel,
                          bool loop_filter) {
  format.check();
  py::array out = given.is_none() ? empty_pictures(format, frames.size())
                                  : py::reinterpret_borrow<py::array>(given);
  void* data = out.mutable_data();
  DecodeOptions options;
  options.threads = threads;
  options.drop_unneeded = drop_unneeded;
  options.loop_filter = loop_filter;
  options.deadline = deadline_of(seconds, cancel);
  std::vector<FrameStatus> status;
  DecodeCounts counts;
  {
    const py::gil_scoped_release release;
    status = video.pictures(frames, format, options, data, &counts).value();
  }
  return py::make_tuple(
      out, to_array<std::uint8_t>(status),
      py::make_tuple(counts.packets_decoded, counts.packets_dropped, counts.seeks));
}

}  // namespace

void register_frames(py::module_& m) {
  auto sub = m.def_submodule("frames", "Pictures in the layouts of models.");
  py::class_<PictureFormat>(sub, "Format")
      .def(py::init(&format_of), "width"_a, "height"_a, "order"_a, "element"_a, "mean"_a, "std"_a,
           "patch"_a, "spans"_a)
      .def("total_bytes", [](const PictureFormat& format, std::size_t frames) {
        return format.total_bytes(frames, format.width, format.height);
      });
  sub.def("decode", &decode_pictures, "video"_a, "frames"_a, "format"_a, "out"_a, "threads"_a,
          "drop_unneeded"_a, "seconds"_a, "cancel"_a = py::none(), "loop_filter"_a = true);
  sub.def("release_spare_memory", &release_spare_memory);
  sub.def("lay_out", &lay_out_pictures, "pictures"_a, "format"_a);
  sub.def("lay_out_list", &lay_out_list, "pictures"_a, "format"_a);
  sub.def("patches", &patches, "pictures"_a, "patch"_a, "merge"_a, "temporal"_a, "mean"_a, "std"_a,
          "as_video"_a, "element"_a);
}

}  // namespace deepsport::bindings
