// Classifies the images of a .npy file, one by one, through the C++ wrapper: classify_cpp IMAGES.npy LABELS.npy
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "shifted.hpp"
#include "single.hpp"

// The data of a version 1 .npy file: what follows its header.
template <class T>
static std::vector<T> load(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::size_t start = 10 + static_cast<unsigned char>(text.at(8)) + 256u * static_cast<unsigned char>(text.at(9));
  const T* data = reinterpret_cast<const T*>(text.data() + start);
  return std::vector<T>(data, data + (text.size() - start) / sizeof(T));
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::vector<float> images = load<float>(argv[1]);
  const std::vector<std::int64_t> labels = load<std::int64_t>(argv[2]);

  std::ifstream file(WEIGHTS, std::ios::binary);
  std::vector<char> bytes(SINGLE_WEIGHTS_BYTES + SINGLE_ALIGN);
  char* weights = bytes.data() + (SINGLE_ALIGN - reinterpret_cast<std::uintptr_t>(bytes.data()) % SINGLE_ALIGN) % SINGLE_ALIGN;
  file.read(weights, SINGLE_WEIGHTS_BYTES);
  single::Model model(weights, SINGLE_WEIGHTS_BYTES);
  std::size_t right = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::vector<float> p = model.run(images.data() + 64 * i).probability;
    right += std::max_element(p.begin(), p.end()) - p.begin() == labels[i];
  }
  std::printf("%zu of %zu right\n", right, labels.size());

  const float x[4] = {0, 0, 0, 0};
  for (float y : shifted::Model().run(x).y) std::printf("%g ", static_cast<double>(y));
  std::puts("");
}
