// Patches of pictures for vision-language models.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>

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
    throw Error(Errc::kInvalidArgument,
                "patches: the pictures have " + std::to_string(pictures.ndim()) +
                    " dimensions; valid is uint8 of shape (n, height, width, 3)");
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
  py::array out(type, {shape.rows, shape.columns});
  void* data = out.mutable_data();
  const std::uint8_t* from = pictures.data();
  {
    const py::gil_scoped_release release;
    to_patches(from, count, height, width, layout, as_video, kind, data);
  }
  return py::make_tuple(out, py::make_tuple(shape.grid_t, shape.grid_h, shape.grid_w));
}

}  // namespace

void register_frames(py::module_& m) {
  auto sub = m.def_submodule("frames", "Pictures in the layouts of models.");
  sub.def("patches", &patches, "pictures"_a, "patch"_a, "merge"_a, "temporal"_a, "mean"_a, "std"_a,
          "as_video"_a, "element"_a);
}

}  // namespace deepsport::bindings
