// Graphs that several tests look at.
#pragma once

#include "cases.h"

namespace tenon::testing {

// Scores, their softmax and what is summed by it.
inline Graph attention() {
  GraphMaker g{"attention"};
  const ValueId q = g.input("q", {"2", "48", "16"}), k = g.input("k", {"2", "16", "48"}), v = g.input("v", {"2", "48", "16"});
  Attrs last;
  last.set<Attr::axis>(2);
  g.output(g.node(Op::dot, {g.node(Op::softmax, {g.node(Op::dot, {q, k})}, last), v}));
  return std::move(g.graph);
}

}  // namespace tenon::testing
