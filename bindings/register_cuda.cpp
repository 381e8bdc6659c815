// Pictures and rewards on a device; memory of deepsport's own, exported by DLPack.
#include <pybind11/stl.h>

#include <array>
#include <type_traits>

#include "arrays.hpp"
#include "deadlines.hpp"
#include "deepsport/cuda.hpp"
#include "dlpack.hpp"
#include "registers.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace deepsport::bindings {
namespace {

constexpr int kCuda = 2;

// Freed by whoever drops the tensor, on any thread and without the GIL: nothing of Python in here.
template <typename Tensor>
struct Exported {
  std::shared_ptr<CudaMemory> memory;
  std::vector<std::int64_t> shape, strides;
  Tensor tensor{};
};

DLDataType dlpack_type(int element) {
  switch (static_cast<ElementType>(element)) {
    case ElementType::kUint8: return {1, 8, 1};
    case ElementType::kFloat32: return {2, 32, 1};
    case ElementType::kBfloat16: return {4, 16, 1};
    case ElementType::kFloat16: return {2, 16, 1};
  }
  return {1, 8, 1};
}

template <typename Tensor>
py::object capsule_of(const std::shared_ptr<CudaMemory>& memory, std::vector<std::int64_t> shape,
                      int element) {
  constexpr bool kVersioned = std::is_same_v<Tensor, DLManagedTensorVersioned>;
  constexpr const char* kName = kVersioned ? "dltensor_versioned" : "dltensor";
  auto exported = std::make_unique<Exported<Tensor>>();
  exported->memory = memory;
  exported->shape = std::move(shape);
  exported->strides.assign(exported->shape.size(), 1);
  for (std::size_t i = exported->shape.size(); i-- > 1;) {
    exported->strides[i - 1] = exported->strides[i] * exported->shape[i];
  }
  const CudaTarget target = memory->target();
  Tensor& tensor = exported->tensor;
  if constexpr (kVersioned) tensor.version = {1, 0};
  tensor.manager_ctx = exported.get();
  tensor.deleter = [](Tensor* gone) { delete static_cast<Exported<Tensor>*>(gone->manager_ctx); };
  tensor.dl_tensor.data = reinterpret_cast<void*>(static_cast<std::uintptr_t>(target.address));
  tensor.dl_tensor.device = {kCuda, target.ordinal};
  tensor.dl_tensor.ndim = static_cast<std::int32_t>(exported->shape.size());
  tensor.dl_tensor.dtype = dlpack_type(element);
  tensor.dl_tensor.shape = exported->shape.data();
  tensor.dl_tensor.strides = exported->strides.data();
  PyObject* capsule = PyCapsule_New(&tensor, kName, [](PyObject* dropped) {
    // A consumer that took the tensor has renamed the capsule, and frees it itself.
    if (PyCapsule_IsValid(dropped, kName) == 0) return;
    auto* unused = static_cast<Tensor*>(PyCapsule_GetPointer(dropped, kName));
    unused->deleter(unused);
  });
  if (capsule == nullptr) throw py::error_already_set();
  exported.release();
  return py::reinterpret_steal<py::object>(capsule);
}

// `stream`: the consumer's, as the array API standard numbers them; -1: no waiting wanted.
py::object export_dlpack(const std::shared_ptr<CudaMemory>& memory, std::int64_t stream,
                         std::vector<std::int64_t> shape, int element, bool versioned) {
  if (stream != -1) memory->read_on(static_cast<std::uint64_t>(stream)).value();
  return versioned ? capsule_of<DLManagedTensorVersioned>(memory, std::move(shape), element)
                   : capsule_of<DLManagedTensor>(memory, std::move(shape), element);
}

py::dict as_dict(const CudaReport& report) {
  py::dict result;
  result["packets_decoded"] = report.packets_decoded;
  result["packets_dropped"] = report.packets_dropped;
  result["seeks"] = report.seeks;
  result["pictures_mapped"] = report.pictures_mapped;
  result["decoders_made"] = report.decoders_made;
  result["decoders_reused"] = report.decoders_reused;
  result["why_on_cpu"] = report.why_on_cpu;
  if (report.keep_callbacks) result["callbacks"] = report.callbacks;
  return result;
}

py::tuple decode(Video& video, const std::vector<std::int64_t>& frames, const PictureFormat& format,
                 int ordinal, std::uint64_t address, std::size_t bytes, std::uint64_t stream,
                 int threads, bool drop_unneeded, double seconds, bool keep_callbacks) {
  DecodeOptions options;
  options.threads = threads;
  options.drop_unneeded = drop_unneeded;
  options.deadline = deadline_of(seconds);
  CudaReport report;
  report.keep_callbacks = keep_callbacks;
  std::vector<FrameStatus> status;
  {
    const py::gil_scoped_release unlocked;
    status =
        decode_to_cuda(video, frames, format, {ordinal, address, bytes, stream}, options, &report)
            .value();
  }
  return py::make_tuple(to_array<std::uint8_t>(status), as_dict(report));
}

}  // namespace

void register_cuda(py::module_& core) {
  py::module_ m = core.def_submodule("cuda", "Pictures and rewards on a CUDA device.");
  py::class_<CudaMemory, std::shared_ptr<CudaMemory>>(m, "Memory")
      .def(py::init([](int ordinal, std::size_t bytes) {
             const py::gil_scoped_release unlocked;
             return CudaMemory::allocate(ordinal, bytes).value();
           }),
           "ordinal"_a, "bytes"_a)
      .def_property_readonly("address", [](const CudaMemory& m_) { return m_.target().address; })
      .def_property_readonly("stream", [](const CudaMemory& m_) { return m_.target().stream; })
      .def("filled", [](CudaMemory& memory) { memory.filled().value(); })
      .def("dlpack", &export_dlpack, "stream"_a, "shape"_a, "element"_a, "versioned"_a)
      .def("to_host", [](const CudaMemory& memory) {
        py::array_t<std::uint8_t> host(static_cast<py::ssize_t>(memory.target().bytes));
        std::uint8_t* data = host.mutable_data();
        const py::gil_scoped_release unlocked;
        memory.copy_to(data).value();
        return host;
      });
  py::class_<PinnedMemory, std::shared_ptr<PinnedMemory>>(m, "Pinned")
      .def(py::init([](int ordinal, std::size_t bytes) {
             const py::gil_scoped_release unlocked;
             return PinnedMemory::allocate(ordinal, bytes).value();
           }),
           "ordinal"_a, "bytes"_a)
      .def_property_readonly("is_pinned", &PinnedMemory::is_pinned)
      .def("array", [](const std::shared_ptr<PinnedMemory>& memory) {
        return py::array_t<std::uint8_t>(static_cast<py::ssize_t>(memory->bytes()), memory->data(),
                                         py::cast(memory));
      });
  m.def("decode", &decode, "video"_a, "frames"_a, "format"_a, "ordinal"_a, "address"_a, "bytes"_a,
        "stream"_a, "threads"_a, "drop_unneeded"_a, "seconds"_a, "keep_callbacks"_a = false);
  m.def("release_decoders", [] {
    const py::gil_scoped_release unlocked;
    release_cuda_decoders();
  });
  m.def(
      "queue_advantages",
      [](int ordinal, std::uint64_t stream, std::uint64_t rewards, std::uint64_t masked,
         std::uint64_t out, std::int64_t groups, std::int64_t group_size, int scheme,
         double epsilon) {
        queue_advantages(
            {ordinal, stream, rewards, masked, out, groups, group_size, scheme, epsilon})
            .value();
      },
      "ordinal"_a, "stream"_a, "rewards"_a, "masked"_a, "out"_a, "groups"_a, "group_size"_a,
      "scheme"_a, "epsilon"_a);
  m.def(
      "queue_spread",
      [](int ordinal, std::uint64_t stream, std::uint64_t advantages, std::uint64_t mask,
         std::uint64_t out, std::int64_t rows, std::int64_t tokens, int mask_bytes) {
        queue_spread({ordinal, stream, advantages, mask, out, rows, tokens, mask_bytes}).value();
      },
      "ordinal"_a, "stream"_a, "advantages"_a, "mask"_a, "out"_a, "rows"_a, "tokens"_a,
      "mask_bytes"_a);
}

}  // namespace deepsport::bindings
