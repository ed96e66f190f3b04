// The functions beside the kernels.
#include "harness.h"

namespace tenon {
namespace {

TEST(Host, RefusesDimsThatDoNotFitEachOther) {
  KernelBuilder b("nothing");
  b.symbol("H");
  Module m = module_of(std::move(b.k));
  Expr H = m.symbols[0], even = m.pool.mul(m.pool.floordiv(H, m.pool.index(2)), m.pool.index(2));
  m.workspace_bytes = m.pool.mul(H, m.pool.index(64));
  m.requirement = m.pool.binary(SOp::Eq, even, H);
  Native native(m, target(host_targets().front()));
  EXPECT_EQ(native.workspace_bytes({6}), 384);
  EXPECT_EQ(native.workspace_bytes({7}), -1);
}

}  // namespace
}  // namespace tenon
