// A bug in Tenon ends the program with the exit code that docs/schemas.md names.
#include <gtest/gtest.h>

#include "tenon/result.h"

namespace tenon {
namespace {

TEST(InternalErrorDeathTest, ExitCodeIs70) {
  EXPECT_EXIT(TENON_CHECK(1 + 1 == 3, "arithmetic"), ::testing::ExitedWithCode(70), "arithmetic");
}

}  // namespace
}  // namespace tenon
