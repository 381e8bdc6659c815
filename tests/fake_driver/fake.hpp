// What the fake driver offers to tests besides the driver's own functions. Found with dlsym;
// nothing of deepsport itself knows that a driver may be fake.
//
// Note [Fake driver]
// tests/fake_driver makes a libcuda.so.1 and a libnvcuvid.so.1 that stand in for NVIDIA's when
// their folder is first on LD_LIBRARY_PATH, and only then. "Device memory" is host memory, streams
// are queues, kernels are the g++ build of kernels.cuh, pictures come from libavcodec. They model
// the rules of the interface (contexts, order, lifetimes, error codes), made as unforgiving as the
// rules allow. They do not model the hardware: what passes here has passed on a fake.
#pragma once

#include <ffnvcodec/dynlink_cuda.h>

#include <functional>

#define FAKE_API extern "C" __attribute__((visibility("default")))

/// What is alive. Everything but `launches` and `injected` must return to where it was.
struct FakeCounts {
  long memory_blocks, host_blocks, streams, events, decoders, parsers, mapped;
  long launches, injected;
};

FAKE_API void fake_counts(FakeCounts* counts);
/// The nth next call of a function fails with a code. An empty name forgets all such orders.
FAKE_API void fake_fail(const char* function, int nth, int code);
/// Lazy: queued work runs as late as the rules allow. Eager: at once.
FAKE_API void fake_set_lazy(int lazy);
/// The first rule that was broken, "" when none was.
FAKE_API const char* fake_violation();
FAKE_API void fake_forget_violation();
/// How the parser behaves: "wrong_vp9_pts" 1: timestamps of VP9 pictures are those of the packet
/// before, as seen on hardware behind hidden pictures. "cycle" 1: surfaces are reused as late as
/// possible, as the documentation says, instead of as early as the contract allows.
/// Starts as 1 where FAKE_NVDEC_CYCLE is set.
/// "error_at" n: picture n of a decoder is reported as damaged; -1 for none.
/// "times_stay" 1: a picture is shown with the time of its packet; 0: times come in rising order.
/// "late_parser" 1: CUVID_PKT_ENDOFPICTURE is ignored, a picture is decoded when the next one
/// comes. "grow_after" n: from the parser's picture n on, pictures are said to be 16 pixels wider.
FAKE_API void fake_set(const char* name, int value);
FAKE_API int fake_get(const char* name);

// For the fake libnvcuvid.
FAKE_API int fake_enter(const char* function, int needs_context);  // 0, or the code to return
FAKE_API void fake_enqueue(CUstream stream, std::function<void()>* work);
FAKE_API void fake_misuse(const char* what);
FAKE_API void fake_count(const char* kind, int change);
FAKE_API int fake_current_device();
FAKE_API void* fake_allocate(size_t bytes);
FAKE_API void fake_release(void* memory);
