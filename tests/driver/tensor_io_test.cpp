// .npy and .npz: what is written is read back; what is damaged is refused.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "../../src/driver/files.h"

namespace tenon {
namespace {

std::string temporary(const std::string& name) {
  return (std::filesystem::path(::testing::TempDir()) / ("tenon_io_" + name)).string();
}

TEST(Npy, RoundTrip) {
  for (DType type : {DType::F32, DType::F64, DType::F16, DType::BF16, DType::Bool, DType::I8, DType::I16, DType::I32,
                     DType::I64, DType::U8, DType::U16, DType::U32, DType::U64, DType::C64})
    for (const std::vector<int64_t>& dims : {std::vector<int64_t>{}, {3}, {2, 3}, {0, 4}}) {
      Tensor tensor = Tensor::zeros(type, dims);
      for (size_t i = 0; i < tensor.f.size(); ++i) tensor.f[i] = static_cast<double>(i) - 1.5;
      for (size_t i = 0; i < tensor.i.size(); ++i) tensor.i[i] = static_cast<int64_t>(i % 2);
      const std::string path = temporary("trip.npy");
      ASSERT_TRUE(write_npy(path, tensor));
      auto back = read_npy(path);
      ASSERT_TRUE(back) << spelling(type);
      EXPECT_EQ(back->type, type);
      EXPECT_EQ(back->dims, dims);
      EXPECT_EQ(back->f, tensor.f);
      EXPECT_EQ(back->i, tensor.i);
    }
}

std::string npy(const std::string& header, const std::string& data) {
  return "\x93NUMPY\x01" + std::string(1, '\0') + static_cast<char>(header.size()) + std::string(1, '\0') + header + data;
}

TEST(Npy, ColumnMajor) {
  const std::string path = temporary("fortran.npy");
  ASSERT_TRUE(write_file(path, npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", "\1\2\3\4\5\6")));
  auto tensor = read_npy(path);
  ASSERT_TRUE(tensor);
  EXPECT_EQ(tensor->i, (std::vector<int64_t>{1, 3, 5, 2, 4, 6}));
}

TEST(Npy, RefusesWhatDoesNotFit) {
  const std::string path = temporary("bad.npy");
  for (const std::string& file :
       {std::string(), std::string("\x93NUMPY\x01"), npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", "abc"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 8), }", ""),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "aaaa"),
        npy("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", "aaaa"),
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "aaaa"), npy("{'shape': (1", ""), npy("", "")}) {
    ASSERT_TRUE(write_file(path, file));
    EXPECT_FALSE(read_npy(path)) << file;
  }
  EXPECT_FALSE(read_npy(temporary("absent.npy")));
}

// One stored and one deflated member, as NumPy's savez and savez_compressed write them.
std::string zip_of(const std::string& name, const std::string& data) {
  auto u16 = [](size_t v) { return std::string{static_cast<char>(v & 255), static_cast<char>(v >> 8 & 255)}; };
  auto u32 = [&](size_t v) { return u16(v & 65535) + u16(v >> 16); };
  const std::string common = u16(20) + u16(0) + u16(0) + u32(0) + u32(0) + u32(data.size()) + u32(data.size()) + u16(name.size()) + u16(0);
  const std::string local = "PK\x03\x04" + common + name + data;
  const std::string entry = "PK\x01\x02" + u16(20) + common + u16(0) + u16(0) + u16(0) + u32(0) + u32(0) + name;
  return local + entry + "PK\x05\x06" + u16(0) + u16(0) + u16(1) + u16(1) + u32(entry.size()) + u32(local.size()) + u16(0);
}

TEST(Npz, ReadsMembersAndSurvivesEveryTruncation) {
  const std::string path = temporary("one.npz");
  const std::string file = zip_of("x.npy", npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }", "\1\2"));
  ASSERT_TRUE(write_file(path, file));
  auto tensors = read_npz(path);
  ASSERT_TRUE(tensors) << tensors.error()[0].message;
  ASSERT_EQ(tensors->size(), 1u);
  EXPECT_EQ((*tensors)[0].name, "x");
  EXPECT_EQ((*tensors)[0].tensor.i, (std::vector<int64_t>{1, 2}));
  for (size_t size = 0; size < file.size(); ++size) {
    ASSERT_TRUE(write_file(path, file.substr(0, size)));
    EXPECT_FALSE(read_npz(path));
  }
  for (size_t at = 0; at < file.size(); ++at) {  // damage must not crash; it may go unnoticed in the data
    std::string damaged = file;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x5a);
    ASSERT_TRUE(write_file(path, damaged));
    (void)read_npz(path);
  }
}

}  // namespace
}  // namespace tenon
