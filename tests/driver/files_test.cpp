// Files of an artifact that are written anew.
#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "../../src/driver/files.h"
#include "tenon/backend.h"
#include "tenon/target.h"

namespace tenon {
namespace {

namespace fs = std::filesystem;

TEST(RewriteFile, KeepsContentsAndPermissionsUnderAnotherInode) {
  const fs::path folder = fs::path(testing::TempDir()) / "rewrite_file";
  fs::create_directories(folder);
  for (const size_t size : {size_t{0}, size_t{1}, size_t{1} << 20, (size_t{3} << 20) + 7}) {
    std::string contents(size, '\0');
    for (size_t k = 0; k < size; ++k) contents[k] = static_cast<char>(k * 2654435761U >> 13);
    const fs::path path = folder / "a", kept = folder / "b";
    ASSERT_TRUE(write_file(path, contents));
    fs::permissions(path, fs::perms::owner_all | fs::perms::group_read);
    fs::create_hard_link(path, kept);
    ASSERT_TRUE(rewrite_file(path));
    EXPECT_EQ(read_file(path).value_or("unreadable"), contents);
    EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_all | fs::perms::group_read);
    EXPECT_FALSE(fs::equivalent(path, kept));
    fs::remove(kept);
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), {}), 1) << "something is left beside the file";
  fs::remove_all(folder);
}

TEST(RewriteFile, OfNothingIsAnError) {
  const auto result = rewrite_file(fs::path(testing::TempDir()) / "not there");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error()[0].code, Code::E0101);
}

DataObject frame(uint64_t bytes, uint64_t align) { return data_object("data", bytes, *load_target("x86-64-v2"), align).value(); }

// Alignment of the segments of a library.
uint64_t alignment(bool large_pages) {
  const fs::path folder = fs::path(testing::TempDir()) / "large_pages", object = folder / "data.o", library = folder / "libdata.so";
  fs::create_directories(folder);
  const DataObject data = frame(1, 0);
  EXPECT_TRUE(write_file(object, std::string(data.head.begin(), data.head.end()) + '\1' + std::string(data.tail.begin(), data.tail.end())));
  EXPECT_TRUE(link_shared(library, "libdata.so", std::array{object}, *load_target("x86-64-v2"), false, {}, large_pages));
  const std::string text = read_file(library).value_or("");
  Elf64_Ehdr header;
  std::memcpy(&header, text.data(), sizeof header);
  uint64_t found = 0;
  for (size_t k = 0; k < header.e_phnum; ++k) {
    Elf64_Phdr segment;
    std::memcpy(&segment, text.data() + header.e_phoff + k * sizeof segment, sizeof segment);
    if (segment.p_type == PT_LOAD) found = std::max<uint64_t>(found, segment.p_align);
  }
  fs::remove_all(folder);
  return found;
}

TEST(LargePages, LibrariesAreLoadedOnTheirBoundaries) {
  EXPECT_LT(alignment(false), kLargePage);
  EXPECT_EQ(alignment(true), kLargePage);
}

// In a program that somebody else links.
TEST(LargePages, DataMayAskForThem) {
  constexpr uint64_t kBytes = 3 * kLargePage;
  auto asked = [](uint64_t align) {
    const DataObject data = frame(kBytes, align);
    Elf64_Ehdr header;
    std::memcpy(&header, data.head.data(), sizeof header);
    Elf64_Shdr section;
    std::memcpy(&section, data.tail.data() + header.e_shoff + sizeof section - data.head.size() - kBytes, sizeof section);
    return section.sh_addralign;
  };
  EXPECT_EQ(asked(0), 64);
  EXPECT_EQ(asked(kLargePage), kLargePage);
}

}  // namespace
}  // namespace tenon
