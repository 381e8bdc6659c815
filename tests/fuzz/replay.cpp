// Runs a fuzz target without libFuzzer: its seeds and its kept corpus, then N mutations of them
// from a fixed seed. A file name instead of N replays that file; --write-seeds DIR writes the seeds
// there, for libFuzzer to start from.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "corpus.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
std::vector<std::string> fuzz_seeds();

namespace {

void run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

/// One to four small changes: a byte more, a byte else, a cut, a repetition, a piece of another
/// seed.
std::string mutate(const std::vector<std::string>& seeds, std::mt19937* random) {
  const auto below = [random](std::size_t n) { return n == 0 ? 0 : (*random)() % n; };
  std::string text = seeds[below(seeds.size())];
  for (std::size_t change = 0, changes = 1 + below(4); change < changes; ++change) {
    const std::size_t at = below(text.size() + 1);
    switch (below(5)) {
      case 3:
        if (at < text.size()) text[at] = static_cast<char>(below(256));
        break;
      case 0: text.insert(at, 1, static_cast<char>(below(256))); break;
      case 1: text.erase(at, 1 + below(16)); break;
      case 2: {
        const std::string piece = text.substr(at, 1 + below(32));
        for (std::size_t i = 0, times = 1 + below(64); i < times; ++i) text.insert(at, piece);
        break;
      }
      default: {
        const std::string& other = seeds[below(seeds.size())];
        text.insert(at, other.substr(below(other.size() + 1), 1 + below(64)));
      }
    }
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string argument = argc > 1 ? argv[1] : "1000";
  if (argument == "--write-seeds" && argc > 2) {
    const std::vector<std::string> seeds = fuzz_seeds();
    for (std::size_t i = 0; i < seeds.size(); ++i) {
      const auto path = std::filesystem::path(argv[2]) / ("seed-" + std::to_string(i));
      std::ofstream(path, std::ios::binary) << seeds[i];
    }
    return 0;
  }
  if (argument.find_first_not_of("0123456789") != std::string::npos) {
    std::ifstream file(argument, std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "%s: no such file\n", argument.c_str());
      return 1;
    }
    run(std::string(std::istreambuf_iterator<char>(file), {}));
    return 0;
  }
  std::vector<std::string> seeds = fuzz_seeds();
  for (std::string& kept : corpus_files(DEEPSPORT_FUZZ_TARGET)) seeds.push_back(std::move(kept));
  for (const std::string& seed : seeds) run(seed);
  std::mt19937 random(1);
  const long count = std::atol(argument.c_str());
  for (long i = 0; i < count; ++i) run(mutate(seeds, &random));
  std::printf("%zu seeds and %ld mutations\n", seeds.size(), count);
  return 0;
}
