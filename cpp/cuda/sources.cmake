# The CUDA half, included by cpp/CMakeLists.txt: arithmetic shared with the CPU path, kernels as
# embedded bytes, NVDEC. Nothing of NVIDIA is linked: the driver is found at run time, and without
# nvcc the kernels are left out.
include(${CMAKE_CURRENT_LIST_DIR}/fatbin.cmake)
deepsport_fatbin(fatbin)
target_sources(deepsport_core PRIVATE
  cuda/advantage.cpp
  cuda/allocation.cpp
  cuda/convert.cpp
  cuda/decode.cpp
  cuda/decoder_pool.cpp
  cuda/memory.cpp
  cuda/nvdec.cpp
  cuda/parser_input.cpp
  cuda/pinned.cpp
  cuda/resample.cpp
  cuda/surface_ring.cpp
  src/device/context.cpp
  src/device/driver.cpp
  src/device/facts.cpp
  src/device/kernels.cpp
  ${fatbin}
)
target_include_directories(deepsport_core SYSTEM PRIVATE ${PROJECT_SOURCE_DIR}/cpp/third_party)
target_link_libraries(deepsport_core PRIVATE ${CMAKE_DL_LIBS})
# Note [One arithmetic]: a product and a sum are two roundings, on the host as on the device.
target_compile_options(deepsport_core PRIVATE -ffp-contract=off)
