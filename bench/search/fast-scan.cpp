// FAISS FastScan, 1 bit per dimension: milliseconds per query on one thread, as JSON. For FAISS that
// is built for the processor, where no Python package of it is: compile it with that library, such
// as g++ -O3 -fopenmp fast-scan.cpp -lfaiss_avx2, and give the program to bench:search --faiss.

#include <faiss/IndexPQFastScan.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "fast-scan FILE DIMENSIONS: f32 vectors, one after the other\n");
    return 2;
  }
  const int dimensions = std::atoi(argv[2]);
  std::ifstream file(argv[1], std::ios::binary | std::ios::ate);
  const auto bytes = file.tellg();
  if (dimensions < 4 || bytes < 4) return 2;
  std::vector<float> vectors(bytes / sizeof(float));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(vectors.data()), bytes);
  const faiss::idx_t count = vectors.size() / dimensions;

  omp_set_num_threads(1);
  // a code of 4 bits per 4 dimensions
  faiss::IndexPQFastScan index(dimensions, dimensions / 4, 4, faiss::METRIC_INNER_PRODUCT);
  index.train(std::min<faiss::idx_t>(count, 4096), vectors.data());
  index.add(count, vectors.data());

  constexpr int most = 240;
  std::vector<float> scores(most);
  std::vector<faiss::idx_t> ids(most);
  const float* query = vectors.data() + 5 * dimensions;
  double least = 1e9;
  for (int round = 0; round < 50; round++) {
    const auto start = std::chrono::steady_clock::now();
    index.search(1, query, most, scores.data(), ids.data());
    const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
    least = std::min(least, time.count());
  }
#ifdef __AVX2__
  const char* options = "AVX2";
#else
  const char* options = "generic";
#endif
  std::printf("{\"milliseconds\": %f, \"options\": \"%s\"}\n", least, options);
}
