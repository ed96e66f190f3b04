// Files of an artifact that are written anew.
#include <gtest/gtest.h>

#include <filesystem>

#include "../../src/driver/files.h"

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

}  // namespace
}  // namespace tenon
