#include "frames/workers.hpp"

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace deepsport {
namespace {

constexpr int kMostThreads = 64;
constexpr std::chrono::milliseconds kBetweenQuestions{50};

}  // namespace

void check_threads(int threads) {
  if (threads >= 1 && threads <= kMostThreads) return;
  throw Error(Errc::kInvalidArgument, "decoding with " + std::to_string(threads) +
                                          " threads; valid are 1.." + std::to_string(kMostThreads));
}

void run_workers(int workers, std::size_t count, const Deadline& deadline, const Work& work) {
  Pieces pieces(count);
  std::mutex mutex;
  std::condition_variable finished;
  int at_work = 0;
  std::exception_ptr failure;
  const auto run = [&](int worker, Deadline own) {
    try {
      work(worker, pieces, own);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex);
      if (!failure) failure = std::current_exception();
      pieces.stop();
    }
    const std::lock_guard<std::mutex> lock(mutex);
    if (worker > 0) --at_work;
    finished.notify_all();
  };
  // Every thread hears of a failure of another one; only the caller's asks what the caller wants.
  const auto told_by = [&](std::function<bool()> asked) {
    Deadline own = deadline;
    own.interrupted = [&pieces, asked = std::move(asked)] {
      return pieces.stopped() || (asked && asked());
    };
    return own;
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < workers; ++i) {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      ++at_work;
    }
    try {
      threads.reserve(static_cast<std::size_t>(workers));
      threads.emplace_back(run, i, told_by({}));
    } catch (const std::exception&) {  // no thread is to be had: those there are do the work
      const std::lock_guard<std::mutex> lock(mutex);
      --at_work;
      break;
    }
  }
  run(0, workers > 1 ? told_by(deadline.interrupted) : deadline);
  // The calling thread goes on asking whether to stop while the others finish.
  {
    Deadline asking = deadline;
    std::unique_lock<std::mutex> lock(mutex);
    while (!finished.wait_for(lock, kBetweenQuestions, [&] { return at_work == 0; })) {
      lock.unlock();
      std::exception_ptr reason;
      try {
        asking.poll("decoding");
      } catch (...) {
        reason = std::current_exception();
      }
      lock.lock();
      if (reason && !failure) failure = reason;
      if (reason) pieces.stop();
    }
  }
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace deepsport
