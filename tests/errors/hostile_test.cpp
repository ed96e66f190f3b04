// Files that mean harm, or met with it: a graph or diagnostics, never a crash, never a read outside.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <random>

#include "../../tools/tenon/mapped_files.h"
#include "scene.h"
#include "tenon/frontend.h"
#include "tenon/ops.h"
#include "tenon/passes.h"

namespace tenon::errors {
namespace {

std::string digits() {
  std::ifstream file(TENON_SOURCE_DIR "/models/digits.onnx", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// What becomes a graph must be a sound one, and pass.
bool accepted(const Scene& scene, const std::string& bytes) {
  scene.write("m.onnx", bytes);
  auto graph = import_onnx(scene.path("m.onnx").string(), {});
  if (!graph) {
    EXPECT_FALSE(graph.error().empty());
    for (const Diag& d : graph.error()) EXPECT_FALSE(d.message.empty());
    return false;
  }
  const std::string before = print(*graph);
  auto passed = run_graph_passes(std::move(*graph), {.verify_each = true});
  EXPECT_TRUE(passed || passed.error()[0].code != Code::E0603) << passed.error()[0].message << "\n" << before;
  return true;
}

TEST(Hostile, TruncatedAtEveryLength) {
  const Scene scene;
  const std::string whole = digits();
  ASSERT_TRUE(accepted(scene, whole));
  // Every byte of the first and last parts, where the structure lies; a sample of the weights between.
  for (size_t size = 0; size < whole.size(); size += size < 600 || whole.size() - size < 1200 ? 1 : 211)
    accepted(scene, whole.substr(0, size));
}

TEST(Hostile, FlippedBits) {
  const Scene scene;
  const std::string whole = digits();
  std::mt19937 random(1);
  size_t refused = 0;
  for (int round = 0; round < 1500; ++round) {
    std::string damaged = whole;
    for (int flips = 1 + round % 4; flips-- > 0;) {
      // Half of the flips hit the structure, which is small.
      const size_t at = round % 2 ? random() % whole.size() : (random() % 2 ? random() % 600 : whole.size() - 1 - random() % 1200);
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << random() % 8));
    }
    refused += !accepted(scene, damaged);
  }
  EXPECT_GT(refused, 100u);
}

// The program itself ends with a diagnostic and an exit code, not by a signal.
TEST(Hostile, TheProgramSurvives) {
  const Scene scene;
  const std::string whole = digits();
  std::mt19937 random(2);
  for (int round = 0; round < 25; ++round) {
    std::string damaged = whole;
    for (int flips = 0; flips < 3; ++flips) damaged[random() % 600] ^= static_cast<char>(1 << random() % 8);
    if (round % 5 == 0) damaged.resize(random() % damaged.size());
    scene.write("m.onnx", damaged);
    const Seen seen = scene.json("compile m.onnx -o out");
    EXPECT_LT(seen.exit_code, 64) << seen.text;
    EXPECT_EQ(seen.exit_code == 0, seen.diagnostics.empty()) << seen.text;
  }
}

TEST(Hostile, ExternalDataStayInTheFolder) {
  const Scene scene;
  scene.write("secret.bin", std::string(64, 'x'));
  scene.write("model/w.bin", std::string(16, '\0'));
  scene.write("model/short.bin", "1234");
  fs::create_symlink("../secret.bin", scene.path("model/link.bin"));
  fs::create_directory_symlink("..", scene.path("model/up"));
  auto code = [&](const std::string& location) {
    scene.model(external_model(location), "model/m.onnx");
    auto graph = import_onnx(scene.path("model/m.onnx").string(), {});
    return graph ? std::string("fine") : std::string(code_name(graph.error()[0].code));
  };
  EXPECT_EQ(code("w.bin"), "fine");
  EXPECT_EQ(code("./w.bin"), "fine");
  EXPECT_EQ(code("../secret.bin"), "E0104");
  EXPECT_EQ(code("x/../../secret.bin"), "E0104");
  EXPECT_EQ(code(scene.path("secret.bin").string()), "E0104");
  EXPECT_EQ(code("/dev/zero"), "E0104");
  EXPECT_EQ(code("link.bin"), "E0104");
  EXPECT_EQ(code("up/secret.bin"), "E0104");
  EXPECT_EQ(code("missing.bin"), "E0103");
  EXPECT_EQ(code("short.bin"), "E0103");
  EXPECT_EQ(code("."), "E0103");
}

TEST(Hostile, DimsThatOverflow) {
  const Scene scene;
  auto codes = [&](const std::string& graph) {
    scene.model(graph);
    std::string list;
    auto imported = import_onnx(scene.path("m.onnx").string(), {});
    if (!imported)
      for (const Diag& d : imported.error()) list += std::string(code_name(d.code)) + ' ';
    return list;
  };
  EXPECT_EQ(codes("g (float[4294967296,4294967296] x) => (float[a,b] y) { y = Relu(x) }"), "E0207 ");
  EXPECT_EQ(codes("g (float[4611686018427387904] x) => (float[a] y) { y = Relu(x) }"), "E0207 ");
  EXPECT_EQ(codes("g (float[N] x) => (float[a,b] y) <int64[2] to = {4294967296, 4294967296}> { y = Expand(x, to) }"), "E0207 ");
  EXPECT_EQ(codes("g (float[2] x) => (float[a] y) <int64[2] pads = {9223372036854775807, 9223372036854775807}> { y = Pad(x, pads) }"), "E0207 ");
}

// A file that is cut short while it is mapped makes the kernel send SIGBUS.
TEST(HostileDeathTest, FilesCutShort) {
  const Scene scene;
  scene.write("w.bin", std::string(1 << 16, 'x'));
  EXPECT_EXIT(
      {
        cli::report_files_cut_short();
        const int file = open(scene.path("w.bin").c_str(), O_RDWR);
        const auto* bytes = static_cast<volatile const char*>(mmap(nullptr, 1 << 16, PROT_READ, MAP_PRIVATE, file, 0));
        if (ftruncate(file, 0) != 0) _exit(9);
        _exit(bytes[1 << 15]);
      },
      testing::ExitedWithCode(1), "error\\[E0101\\]: a file became shorter");
}

}  // namespace
}  // namespace tenon::errors
