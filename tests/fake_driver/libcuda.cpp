// The fake libcuda.so.1: contexts, memory, streams, events, modules. See Note [Fake driver].
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "fake.hpp"
#include "grid.hpp"

namespace {

enum Code {
  kOk = 0,
  kInvalidValue = 1,
  kOutOfMemory = 2,
  kNotInitialised = 3,
  kNoDevice = 100,
  kInvalidDevice = 101,
  kInvalidImage = 200,
  kInvalidContext = 201,
  kInvalidHandle = 400,
  kNotFound = 500,
  kNotReady = 600,
  kNotSupported = 801,
};

struct Context {
  int device = 0;
  int retained = 0;
};
struct Stream;
struct EventState {
  bool done = false;
  Stream* stream = nullptr;
};
struct Work {
  std::function<void()> run;
  std::shared_ptr<EventState> records, waits_for;
};
struct Stream {
  std::deque<Work> queue;
  bool non_blocking = false;
  int device = 0;
};
struct Event {
  std::shared_ptr<EventState> state;
  int device = 0;
};
struct Module {
  int device = 0;
};
struct Block {
  std::size_t bytes = 0;
  int device = 0;
};
using Run = void (*)(const FakeDim3&, const FakeDim3&, const void*);
struct Kernel {
  const char* name;
  std::size_t parameter_bytes;
  Run run;
};
struct Function {
  const Kernel* kernel;
  int device;
};

#define X(kernel, Parameters)                                           \
  {#kernel, sizeof(Parameters),                                         \
   [](const FakeDim3& grid, const FakeDim3& block, const void* bytes) { \
     Parameters parameters;                                             \
     std::memcpy(&parameters, bytes, sizeof parameters);                \
     run_grid(grid, block, [&] { kernel(parameters); });                \
   }},
const Kernel kKernels[] = {DEEPSPORT_KERNELS(X)};
#undef X

struct Driver {
  // FAKE_CUDA_FAIL=function:nth:code is an order from the very start, for what is called but once.
  Driver() {
    const char* text = std::getenv("FAKE_CUDA_FAIL");
    char function[64];
    int nth = 0, code = 0;
    if (text != nullptr && std::sscanf(text, "%63[^:]:%d:%d", function, &nth, &code) == 3) {
      orders[function][nth] = code;
    }
  }
  std::recursive_mutex mutex;
  bool initialised = false, lazy = true;
  std::string violation;
  long launches = 0, injected = 0;
  std::map<std::string, std::map<int, int>> orders;  // function -> how many calls from now -> code
  std::map<std::string, long> counts;
  std::map<std::string, int> settings{{"error_at", -1},
                                      {"grow_after", INT_MAX},
                                      {"cycle", std::getenv("FAKE_NVDEC_CYCLE") != nullptr}};
  std::map<int, std::unique_ptr<Context>> primary;
  std::set<Context*> contexts;
  std::map<std::uintptr_t, Block> memory;
  std::set<void*> host;
  std::set<Stream*> streams;
  std::set<Event*> events;
  std::set<Module*> modules;
  std::set<Function*> functions;
};
Driver& driver() {
  static auto* made = new Driver;  // leaked: applications may call until the very end
  return *made;
}
thread_local std::vector<Context*> current;
using Lock = std::lock_guard<std::recursive_mutex>;

void misuse(const std::string& what) {
  if (driver().violation.empty()) driver().violation = what;
  std::fprintf(stderr, "[fake driver] VIOLATION: %s\n", what.c_str());
}

int device_count() {
  const char* text = std::getenv("FAKE_CUDA_DEVICES");
  return text != nullptr ? std::atoi(text) : 1;
}

void complete(const std::shared_ptr<EventState>& state);
void step(Stream* stream) {
  const Work work = std::move(stream->queue.front());
  stream->queue.pop_front();
  if (work.waits_for) complete(work.waits_for);
  if (work.run) work.run();
  if (work.records) work.records->done = true;
}
void drain(Stream* stream) {
  while (!stream->queue.empty()) step(stream);
}
void drain_all() {
  for (Stream* stream : driver().streams) drain(stream);
}
void complete(const std::shared_ptr<EventState>& state) {
  while (!state->done) {
    if (state->stream == nullptr || driver().streams.count(state->stream) == 0 ||
        state->stream->queue.empty()) {
      return misuse("waiting for an event that can never happen");
    }
    step(state->stream);
  }
}

bool is_legacy(CUstream stream) {
  return reinterpret_cast<std::uintptr_t>(stream) <= 2;  // null, legacy, per thread
}
// 0, or the code for a handle that is no stream of the current device.
int check_stream(CUstream handle, const char* function) {
  if (is_legacy(handle)) return kOk;
  auto* stream = reinterpret_cast<Stream*>(handle);
  if (driver().streams.count(stream) == 0) {
    misuse(std::string(function) + ": not a live stream");
    return kInvalidHandle;
  }
  if (!current.empty() && stream->device != current.back()->device) {
    misuse(std::string(function) + ": a stream of another device than the current context's");
    return kInvalidContext;
  }
  return kOk;
}
void put(CUstream handle, Work work) {
  if (is_legacy(handle)) {  // ordered behind every blocking stream
    for (Stream* stream : driver().streams) {
      if (!stream->non_blocking) drain(stream);
    }
    if (work.waits_for) complete(work.waits_for);
    if (work.run) work.run();
    if (work.records) work.records->done = true;
    return;
  }
  auto* stream = reinterpret_cast<Stream*>(handle);
  stream->queue.push_back(std::move(work));
  if (!driver().lazy) drain(stream);
}

// The code this call was ordered to fail with, or 0.
int ordered(const char* function) {
  const auto order = driver().orders.find(function);
  if (order != driver().orders.end()) {
    std::map<int, int> later;
    int code = kOk;
    for (const auto& [calls, then] : order->second) {
      if (calls == 1) {
        code = then;
      } else {
        later[calls - 1] = then;
      }
    }
    order->second = later;
    if (code != kOk) ++driver().injected;
    return code;
  }
  return kOk;
}

int enter(const char* function, bool needs_context) {
  if (const int code = ordered(function)) return code;
  if (!driver().initialised) {
    misuse(std::string(function) + " before cuInit");
    return kNotInitialised;
  }
  if (needs_context && current.empty()) {
    misuse(std::string(function) + " without a current context on this thread");
    return kInvalidContext;
  }
  return kOk;
}

// The block a range lies in, or null.
const Block* block_of(std::uintptr_t address, std::size_t bytes) {
  auto found = driver().memory.upper_bound(address);
  if (found == driver().memory.begin()) return nullptr;
  --found;
  return address + bytes <= found->first + found->second.bytes ? &found->second : nullptr;
}
void* must_be_device(CUdeviceptr address, std::size_t bytes, const char* function) {
  if (block_of(static_cast<std::uintptr_t>(address), bytes) == nullptr) {
    misuse(std::string(function) + ": not a live range of device memory");
  }
  return reinterpret_cast<void*>(static_cast<std::uintptr_t>(address));
}

int allocate(CUdeviceptr* address, std::size_t bytes) {
  if (bytes == 0) return kInvalidValue;
  void* made = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (made == nullptr) return kOutOfMemory;
  std::memset(made, 0xCD, bytes);  // recycled memory is poison
  driver().memory[reinterpret_cast<std::uintptr_t>(made)] = {
      bytes, current.empty() ? 0 : current.back()->device};
  *address = static_cast<CUdeviceptr>(reinterpret_cast<std::uintptr_t>(made));
  return kOk;
}
int release(CUdeviceptr address) {
  const auto found = driver().memory.find(static_cast<std::uintptr_t>(address));
  if (found == driver().memory.end()) {
    misuse("freeing what is not a live allocation");
    return kInvalidValue;
  }
  void* memory = reinterpret_cast<void*>(found->first);
  std::memset(memory, 0xDD, found->second.bytes);
  std::free(memory);
  driver().memory.erase(found);
  return kOk;
}

// Ranges are looked at again when the copy runs: memory freed in between is a violation.
int copy(void* to, const void* from, std::size_t bytes, CUstream stream, bool to_is_device,
         bool from_is_device, const char* function) {
  if (const int code = check_stream(stream, function)) return code;
  const std::string name(function);
  put(stream, {[=] {
                 const auto alive = [&](const void* memory) {
                   return block_of(reinterpret_cast<std::uintptr_t>(memory), bytes) != nullptr;
                 };
                 if ((to_is_device && !alive(to)) || (from_is_device && !alive(from))) {
                   return misuse(name + ": the memory was freed before the queued copy ran");
                 }
                 std::memcpy(to, from, bytes);
               },
               nullptr, nullptr});
  return kOk;
}

int copy_2d(const CUDA_MEMCPY2D* how, CUstream stream) {
  const CUDA_MEMCPY2D m = *how;
  const auto* from = m.srcMemoryType == CU_MEMORYTYPE_HOST
                         ? static_cast<const char*>(m.srcHost)
                         : reinterpret_cast<const char*>(static_cast<std::uintptr_t>(m.srcDevice));
  auto* to = m.dstMemoryType == CU_MEMORYTYPE_HOST
                 ? static_cast<char*>(m.dstHost)
                 : reinterpret_cast<char*>(static_cast<std::uintptr_t>(m.dstDevice));
  from += m.srcY * m.srcPitch + m.srcXInBytes;
  to += m.dstY * m.dstPitch + m.dstXInBytes;
  put(stream, {[=] {
                 for (std::size_t y = 0; y < m.Height; ++y) {
                   std::memcpy(to + y * m.dstPitch, from + y * m.srcPitch, m.WidthInBytes);
                 }
               },
               nullptr, nullptr});
  return kOk;
}

}  // namespace

// Every function: lock, run the orders to fail, check the context.
#define ENTER(name, context)       \
  const Lock lock(driver().mutex); \
  if (const int failed = enter(#name, context)) return static_cast<CUresult>(failed)
#define RETURN(code) return static_cast<CUresult>(code)
// What gives something back does so even when ordered to fail: drivers report old errors there.
#define ENTER_GIVING_BACK(name)        \
  const Lock lock(driver().mutex);     \
  const int late = enter(#name, true); \
  if (late == kInvalidContext || late == kNotInitialised) return static_cast<CUresult>(late)

FAKE_API void fake_counts(FakeCounts* counts) {
  const Lock lock(driver().mutex);
  Driver& d = driver();
  *counts = {static_cast<long>(d.memory.size()),
             static_cast<long>(d.host.size()),
             static_cast<long>(d.streams.size()),
             static_cast<long>(d.events.size()),
             d.counts["decoders"],
             d.counts["parsers"],
             d.counts["mapped"],
             d.launches,
             d.injected};
}
FAKE_API void fake_fail(const char* function, int nth, int code) {
  const Lock lock(driver().mutex);
  if (*function == '\0') {
    driver().orders.clear();
  } else {
    driver().orders[function][nth] = code;
  }
}
FAKE_API void fake_set_lazy(int lazy) {
  const Lock lock(driver().mutex);
  driver().lazy = lazy != 0;
  if (lazy == 0) drain_all();
}
FAKE_API const char* fake_violation() {
  return driver().violation.c_str();
}
FAKE_API void fake_forget_violation() {
  driver().violation.clear();
}
FAKE_API void fake_set(const char* name, int value) {
  const Lock lock(driver().mutex);
  driver().settings[name] = value;
}
FAKE_API int fake_get(const char* name) {
  const Lock lock(driver().mutex);
  return driver().settings[name];
}
FAKE_API int fake_enter(const char* function, int needs_context) {
  const Lock lock(driver().mutex);
  return enter(function, needs_context != 0);
}
FAKE_API void fake_enqueue(CUstream stream, std::function<void()>* work) {
  const Lock lock(driver().mutex);
  if (check_stream(stream, "cuvidMapVideoFrame64") == kOk) {
    put(stream, {std::move(*work), nullptr, nullptr});
  }
}
FAKE_API void fake_misuse(const char* what) {
  const Lock lock(driver().mutex);
  misuse(what);
}
FAKE_API void fake_count(const char* kind, int change) {
  const Lock lock(driver().mutex);
  driver().counts[kind] += change;
}
FAKE_API int fake_current_device() {
  return current.empty() ? -1 : current.back()->device;
}
FAKE_API void* fake_allocate(std::size_t bytes) {
  const Lock lock(driver().mutex);
  CUdeviceptr address = 0;
  allocate(&address, bytes);
  return reinterpret_cast<void*>(static_cast<std::uintptr_t>(address));
}
FAKE_API void fake_release(void* memory) {
  const Lock lock(driver().mutex);
  release(static_cast<CUdeviceptr>(reinterpret_cast<std::uintptr_t>(memory)));
}

FAKE_API CUresult cuInit(unsigned) {
  const Lock lock(driver().mutex);
  if (const int code = ordered("cuInit")) RETURN(code);
  if (device_count() == 0) RETURN(kNoDevice);
  driver().initialised = true;
  RETURN(kOk);
}
FAKE_API CUresult cuDriverGetVersion(int* version) {
  const Lock lock(driver().mutex);
  if (const int code = ordered("cuDriverGetVersion")) RETURN(code);
  *version = 13000;
  RETURN(kOk);
}
FAKE_API CUresult cuDeviceGetCount(int* count) {
  ENTER(cuDeviceGetCount, false);
  *count = device_count();
  RETURN(kOk);
}
FAKE_API CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  ENTER(cuDeviceGet, false);
  if (ordinal < 0 || ordinal >= device_count()) RETURN(kInvalidDevice);
  *device = ordinal;
  RETURN(kOk);
}
FAKE_API CUresult cuDeviceGetName(char* name, int size, CUdevice device) {
  ENTER(cuDeviceGetName, false);
  std::snprintf(name, static_cast<std::size_t>(size), "Fake GPU %d (libavcodec on the CPU)",
                device);
  RETURN(kOk);
}
FAKE_API CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice) {
  ENTER(cuDeviceGetAttribute, false);
  switch (static_cast<int>(attribute)) {
    case 14: *value = 512; break;  // texture alignment, which FFmpeg asks for
    case 75: *value = 8; break;
    case 76: *value = 0; break;
    default: *value = 1; break;
  }
  RETURN(kOk);
}
FAKE_API CUresult cuDeviceTotalMem_v2(std::size_t* bytes, CUdevice) {
  ENTER(cuDeviceTotalMem_v2, false);
  *bytes = std::size_t{1} << 30;
  RETURN(kOk);
}
FAKE_API CUresult cuDeviceComputeCapability(int* major, int* minor, CUdevice) {
  *major = 8;
  *minor = 0;
  RETURN(kOk);
}
FAKE_API CUresult cuDeviceGetUuid(CUuuid* uuid, CUdevice) {
  std::memset(uuid, 7, sizeof *uuid);
  RETURN(kOk);
}

FAKE_API CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  ENTER(cuDevicePrimaryCtxRetain, false);
  auto& made = driver().primary[device];
  if (!made) {
    made = std::make_unique<Context>();
    made->device = device;
    driver().contexts.insert(made.get());
  }
  ++made->retained;
  *context = reinterpret_cast<CUcontext>(made.get());
  RETURN(kOk);
}
FAKE_API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  ENTER(cuDevicePrimaryCtxRelease_v2, false);
  const auto found = driver().primary.find(device);
  if (found == driver().primary.end() || found->second->retained == 0) RETURN(kInvalidContext);
  --found->second->retained;
  RETURN(kOk);
}
FAKE_API CUresult cuDevicePrimaryCtxRelease(CUdevice device) {
  return cuDevicePrimaryCtxRelease_v2(device);
}
FAKE_API CUresult cuDevicePrimaryCtxSetFlags(CUdevice, unsigned) {
  RETURN(kOk);
}
FAKE_API CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned* flags, int* active) {
  const Lock lock(driver().mutex);
  *flags = 0;
  *active = driver().primary.count(device) != 0;
  RETURN(kOk);
}
FAKE_API CUresult cuDevicePrimaryCtxReset(CUdevice) {
  RETURN(kOk);
}
FAKE_API CUresult cuCtxCreate_v2(CUcontext* context, unsigned, CUdevice device) {
  ENTER(cuCtxCreate_v2, false);
  auto* made = new Context{device, 1};
  driver().contexts.insert(made);
  current.push_back(made);
  *context = reinterpret_cast<CUcontext>(made);
  RETURN(kOk);
}
FAKE_API CUresult cuCtxDestroy_v2(CUcontext context) {
  ENTER(cuCtxDestroy_v2, false);
  auto* gone = reinterpret_cast<Context*>(context);
  if (driver().contexts.erase(gone) == 0) RETURN(kInvalidContext);
  if (!current.empty() && current.back() == gone) current.pop_back();
  delete gone;
  RETURN(kOk);
}
FAKE_API CUresult cuCtxPushCurrent_v2(CUcontext context) {
  ENTER(cuCtxPushCurrent_v2, false);
  auto* pushed = reinterpret_cast<Context*>(context);
  if (driver().contexts.count(pushed) == 0) RETURN(kInvalidContext);
  current.push_back(pushed);
  RETURN(kOk);
}
FAKE_API CUresult cuCtxPopCurrent_v2(CUcontext* context) {
  ENTER_GIVING_BACK(cuCtxPopCurrent_v2);
  if (context != nullptr) *context = reinterpret_cast<CUcontext>(current.back());
  current.pop_back();
  RETURN(late);
}
FAKE_API CUresult cuCtxGetCurrent(CUcontext* context) {
  ENTER(cuCtxGetCurrent, false);
  *context = current.empty() ? nullptr : reinterpret_cast<CUcontext>(current.back());
  RETURN(kOk);
}
FAKE_API CUresult cuCtxGetDevice(CUdevice* device) {
  ENTER(cuCtxGetDevice, true);
  *device = current.back()->device;
  RETURN(kOk);
}
FAKE_API CUresult cuCtxSetLimit(CUlimit, std::size_t) {
  RETURN(kOk);
}
FAKE_API CUresult cuCtxSynchronize() {
  ENTER(cuCtxSynchronize, true);
  drain_all();
  RETURN(kOk);
}

FAKE_API CUresult cuMemAlloc_v2(CUdeviceptr* address, std::size_t bytes) {
  ENTER(cuMemAlloc_v2, true);
  RETURN(allocate(address, bytes));
}
FAKE_API CUresult cuMemAllocPitch_v2(CUdeviceptr* address, std::size_t* pitch, std::size_t width,
                                     std::size_t height, unsigned) {
  ENTER(cuMemAllocPitch_v2, true);
  *pitch = (width + 511) / 512 * 512;
  RETURN(allocate(address, *pitch * height));
}
FAKE_API CUresult cuMemAllocManaged(CUdeviceptr* address, std::size_t bytes, unsigned) {
  ENTER(cuMemAllocManaged, true);
  RETURN(allocate(address, bytes));
}
FAKE_API CUresult cuMemFree_v2(CUdeviceptr address) {
  ENTER(cuMemFree_v2, true);
  drain_all();  // waits for the device, as on hardware
  RETURN(release(address));
}
FAKE_API CUresult cuMemAllocAsync(CUdeviceptr* address, std::size_t bytes, CUstream stream) {
  ENTER(cuMemAllocAsync, true);
  if (const int code = check_stream(stream, "cuMemAllocAsync")) RETURN(code);
  RETURN(allocate(address, bytes));
}
FAKE_API CUresult cuMemFreeAsync(CUdeviceptr address, CUstream stream) {
  ENTER_GIVING_BACK(cuMemFreeAsync);
  if (const int code = check_stream(stream, "cuMemFreeAsync")) RETURN(code);
  put(stream, {[address] { release(address); }, nullptr, nullptr});
  RETURN(late);
}
FAKE_API CUresult cuMemHostAlloc(void** memory, std::size_t bytes, unsigned) {
  ENTER(cuMemHostAlloc, true);
  *memory = std::malloc(bytes);
  if (*memory == nullptr) RETURN(kOutOfMemory);
  driver().host.insert(*memory);
  RETURN(kOk);
}
FAKE_API CUresult cuMemFreeHost(void* memory) {
  ENTER_GIVING_BACK(cuMemFreeHost);
  drain_all();
  if (driver().host.erase(memory) == 0) {
    misuse("cuMemFreeHost: not a live allocation");
    RETURN(kInvalidValue);
  }
  std::free(memory);
  RETURN(late);
}
FAKE_API CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from, std::size_t bytes) {
  ENTER(cuMemcpy, true);
  RETURN(copy(must_be_device(to, bytes, "cuMemcpy"), must_be_device(from, bytes, "cuMemcpy"), bytes,
              nullptr, true, true, "cuMemcpy"));
}
FAKE_API CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, std::size_t bytes, CUstream s) {
  ENTER(cuMemcpyAsync, true);
  RETURN(copy(must_be_device(to, bytes, "cuMemcpyAsync"),
              must_be_device(from, bytes, "cuMemcpyAsync"), bytes, s, true, true, "cuMemcpyAsync"));
}
FAKE_API CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void* from, std::size_t bytes) {
  ENTER(cuMemcpyHtoD_v2, true);
  RETURN(copy(must_be_device(to, bytes, "cuMemcpyHtoD"), from, bytes, nullptr, true, false,
              "cuMemcpyHtoD"));
}
FAKE_API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, std::size_t bytes,
                                       CUstream stream) {
  ENTER(cuMemcpyHtoDAsync_v2, true);
  RETURN(copy(must_be_device(to, bytes, "cuMemcpyHtoDAsync"), from, bytes, stream, true, false,
              "cuMemcpyHtoDAsync"));
}
FAKE_API CUresult cuMemcpyDtoH_v2(void* to, CUdeviceptr from, std::size_t bytes) {
  ENTER(cuMemcpyDtoH_v2, true);
  RETURN(copy(to, must_be_device(from, bytes, "cuMemcpyDtoH"), bytes, nullptr, false, true,
              "cuMemcpyDtoH"));
}
FAKE_API CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, std::size_t bytes,
                                       CUstream stream) {
  ENTER(cuMemcpyDtoHAsync_v2, true);
  RETURN(copy(to, must_be_device(from, bytes, "cuMemcpyDtoHAsync"), bytes, stream, false, true,
              "cuMemcpyDtoHAsync"));
}
FAKE_API CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, std::size_t bytes) {
  return cuMemcpy(to, from, bytes);
}
FAKE_API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, std::size_t bytes,
                                       CUstream stream) {
  return cuMemcpyAsync(to, from, bytes, stream);
}
FAKE_API CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D* how) {
  ENTER(cuMemcpy2D_v2, true);
  RETURN(copy_2d(how, nullptr));
}
FAKE_API CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D* how, CUstream stream) {
  ENTER(cuMemcpy2DAsync_v2, true);
  RETURN(copy_2d(how, stream));
}
FAKE_API CUresult cuMemsetD8Async(CUdeviceptr address, unsigned char value, std::size_t bytes,
                                  CUstream stream) {
  ENTER(cuMemsetD8Async, true);
  if (const int code = check_stream(stream, "cuMemsetD8Async")) RETURN(code);
  void* memory = must_be_device(address, bytes, "cuMemsetD8Async");
  put(stream, {[=] { std::memset(memory, value, bytes); }, nullptr, nullptr});
  RETURN(kOk);
}

FAKE_API CUresult cuStreamCreate(CUstream* stream, unsigned flags) {
  ENTER(cuStreamCreate, true);
  auto* made = new Stream;
  made->non_blocking = (flags & 1) != 0;
  made->device = current.back()->device;
  driver().streams.insert(made);
  *stream = reinterpret_cast<CUstream>(made);
  RETURN(kOk);
}
FAKE_API CUresult cuStreamDestroy_v2(CUstream stream) {
  ENTER_GIVING_BACK(cuStreamDestroy_v2);
  if (is_legacy(stream)) RETURN(kInvalidHandle);
  if (const int code = check_stream(stream, "cuStreamDestroy")) RETURN(code);
  auto* gone = reinterpret_cast<Stream*>(stream);
  drain(gone);  // returns at once on hardware, and queued work completes first
  driver().streams.erase(gone);
  delete gone;
  RETURN(late);
}
FAKE_API CUresult cuStreamSynchronize(CUstream stream) {
  ENTER(cuStreamSynchronize, true);
  if (const int code = check_stream(stream, "cuStreamSynchronize")) RETURN(code);
  if (is_legacy(stream)) {
    drain_all();
  } else {
    drain(reinterpret_cast<Stream*>(stream));
  }
  RETURN(kOk);
}
FAKE_API CUresult cuStreamQuery(CUstream stream) {
  ENTER(cuStreamQuery, true);
  auto* asked = reinterpret_cast<Stream*>(stream);
  if (is_legacy(stream) || asked->queue.empty()) RETURN(kOk);
  step(asked);
  RETURN(kNotReady);
}
FAKE_API CUresult cuStreamAddCallback(CUstream stream, CUstreamCallback* callback, void* user,
                                      unsigned) {
  ENTER(cuStreamAddCallback, true);
  put(stream, {[=] { callback(stream, CUDA_SUCCESS, user); }, nullptr, nullptr});
  RETURN(kOk);
}
FAKE_API CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned) {
  ENTER(cuStreamWaitEvent, true);
  if (const int code = check_stream(stream, "cuStreamWaitEvent")) RETURN(code);
  auto* waited = reinterpret_cast<Event*>(event);
  if (driver().events.count(waited) == 0) RETURN(kInvalidHandle);
  if (waited->state) put(stream, {nullptr, nullptr, waited->state});
  RETURN(kOk);
}
FAKE_API CUresult cuEventCreate(CUevent* event, unsigned) {
  ENTER(cuEventCreate, true);
  auto* made = new Event;
  made->device = current.back()->device;
  driver().events.insert(made);
  *event = reinterpret_cast<CUevent>(made);
  RETURN(kOk);
}
FAKE_API CUresult cuEventDestroy_v2(CUevent event) {
  ENTER_GIVING_BACK(cuEventDestroy_v2);
  auto* gone = reinterpret_cast<Event*>(event);
  if (driver().events.erase(gone) == 0) {
    misuse("cuEventDestroy: not a live event");
    RETURN(kInvalidHandle);
  }
  delete gone;
  RETURN(late);
}
FAKE_API CUresult cuEventRecord(CUevent event, CUstream stream) {
  ENTER(cuEventRecord, true);
  if (const int code = check_stream(stream, "cuEventRecord")) RETURN(code);
  auto* recorded = reinterpret_cast<Event*>(event);
  if (driver().events.count(recorded) == 0) RETURN(kInvalidHandle);
  if (recorded->device != current.back()->device) {
    misuse("cuEventRecord: an event of another device than the stream's");
    RETURN(kInvalidHandle);
  }
  recorded->state = std::make_shared<EventState>();
  recorded->state->stream = is_legacy(stream) ? nullptr : reinterpret_cast<Stream*>(stream);
  put(stream, {nullptr, recorded->state, nullptr});
  RETURN(kOk);
}
FAKE_API CUresult cuEventSynchronize(CUevent event) {
  ENTER(cuEventSynchronize, true);
  auto* waited = reinterpret_cast<Event*>(event);
  if (driver().events.count(waited) == 0) RETURN(kInvalidHandle);
  if (waited->state) complete(waited->state);
  RETURN(kOk);
}
FAKE_API CUresult cuEventQuery(CUevent event) {
  ENTER(cuEventQuery, true);
  auto* asked = reinterpret_cast<Event*>(event);
  if (!asked->state || asked->state->done) RETURN(kOk);
  if (asked->state->stream != nullptr && !asked->state->stream->queue.empty()) {
    step(asked->state->stream);
  }
  RETURN(kNotReady);
}

FAKE_API CUresult cuModuleLoadData(CUmodule* module, const void* image) {
  ENTER(cuModuleLoadData, true);
  std::uint32_t magic = 0;
  if (image != nullptr) std::memcpy(&magic, image, sizeof magic);
  if (magic != 0xBA55ED50u) RETURN(kInvalidImage);  // what a fat binary begins with
  auto* made = new Module{current.back()->device};
  driver().modules.insert(made);
  *module = reinterpret_cast<CUmodule>(made);
  RETURN(kOk);
}
FAKE_API CUresult cuModuleUnload(CUmodule module) {
  ENTER(cuModuleUnload, true);
  auto* gone = reinterpret_cast<Module*>(module);
  driver().modules.erase(gone);
  delete gone;
  RETURN(kOk);
}
FAKE_API CUresult cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name) {
  ENTER(cuModuleGetFunction, true);
  auto* from = reinterpret_cast<Module*>(module);
  if (driver().modules.count(from) == 0) RETURN(kInvalidHandle);
  for (const Kernel& kernel : kKernels) {
    if (std::strcmp(kernel.name, name) == 0) {
      auto* made = new Function{&kernel, from->device};
      driver().functions.insert(made);  // kept: as many as there are kernels and devices
      *function = reinterpret_cast<CUfunction>(made);
      RETURN(kOk);
    }
  }
  RETURN(kNotFound);
}
FAKE_API CUresult cuModuleGetGlobal(CUdeviceptr*, std::size_t*, CUmodule, const char*) {
  RETURN(kNotFound);
}
FAKE_API CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y,
                                 unsigned grid_z, unsigned block_x, unsigned block_y,
                                 unsigned block_z, unsigned, CUstream stream, void** arguments,
                                 void**) {
  ENTER(cuLaunchKernel, true);
  if (const int code = check_stream(stream, "cuLaunchKernel")) RETURN(code);
  auto* launched = reinterpret_cast<Function*>(function);
  if (driver().functions.count(launched) == 0) RETURN(kInvalidHandle);
  if (launched->device != current.back()->device) {
    misuse("cuLaunchKernel: a function loaded in another context");
    RETURN(kInvalidContext);
  }
  const unsigned long threads = 1ul * block_x * block_y * block_z;
  if (grid_x == 0 || grid_y == 0 || grid_y > 65535 || grid_z != 1 || threads == 0 ||
      threads > 1024 || block_z != 1) {
    misuse("cuLaunchKernel: a grid or block no device accepts");
    RETURN(kInvalidValue);
  }
  // Parameters are captured at launch, as on hardware.
  const auto* first = static_cast<const char*>(arguments[0]);
  const std::vector<char> parameters(first, first + launched->kernel->parameter_bytes);
  const Run run = launched->kernel->run;
  ++driver().launches;
  put(stream, {[=] { run({grid_x, grid_y, 1}, {block_x, block_y, 1}, parameters.data()); }, nullptr,
               nullptr});
  RETURN(kOk);
}

FAKE_API CUresult cuGetErrorName(CUresult error, const char** name) {
  static const std::map<int, const char*> kNames{{0, "CUDA_SUCCESS"},
                                                 {1, "CUDA_ERROR_INVALID_VALUE"},
                                                 {2, "CUDA_ERROR_OUT_OF_MEMORY"},
                                                 {3, "CUDA_ERROR_NOT_INITIALIZED"},
                                                 {100, "CUDA_ERROR_NO_DEVICE"},
                                                 {101, "CUDA_ERROR_INVALID_DEVICE"},
                                                 {200, "CUDA_ERROR_INVALID_IMAGE"},
                                                 {201, "CUDA_ERROR_INVALID_CONTEXT"},
                                                 {205, "CUDA_ERROR_MAP_FAILED"},
                                                 {209, "CUDA_ERROR_NO_BINARY_FOR_GPU"},
                                                 {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"},
                                                 {400, "CUDA_ERROR_INVALID_HANDLE"},
                                                 {500, "CUDA_ERROR_NOT_FOUND"},
                                                 {600, "CUDA_ERROR_NOT_READY"},
                                                 {719, "CUDA_ERROR_LAUNCH_FAILED"},
                                                 {801, "CUDA_ERROR_NOT_SUPPORTED"},
                                                 {999, "CUDA_ERROR_UNKNOWN"}};
  const Lock lock(driver().mutex);
  if (const int code = ordered("cuGetErrorName")) RETURN(code);
  const auto found = kNames.find(static_cast<int>(error));
  *name = found == kNames.end() ? nullptr : found->second;
  RETURN(found == kNames.end() ? kInvalidValue : kOk);
}
FAKE_API CUresult cuGetErrorString(CUresult error, const char** words) {
  const Lock lock(driver().mutex);
  if (const int code = ordered("cuGetErrorString")) RETURN(code);
  *words = error == CUDA_SUCCESS ? "no error" : "said by the fake driver";
  RETURN(kOk);
}

// FFmpeg's loader insists on these; nothing calls them.
#define NEVER(name)          \
  FAKE_API CUresult name() { \
    RETURN(kNotSupported);   \
  }
NEVER(cuLinkCreate)
NEVER(cuLinkAddData)
NEVER(cuLinkComplete)
NEVER(cuLinkDestroy)
NEVER(cuTexObjectCreate)
NEVER(cuTexObjectDestroy)
NEVER(cuGLGetDevices_v2)
NEVER(cuGraphicsGLRegisterImage)
NEVER(cuGraphicsUnregisterResource)
NEVER(cuGraphicsMapResources)
NEVER(cuGraphicsUnmapResources)
NEVER(cuGraphicsSubResourceGetMappedArray)
NEVER(cuGraphicsResourceGetMappedPointer_v2)
NEVER(cuArray3DCreate_v2)
NEVER(cuArrayDestroy)
