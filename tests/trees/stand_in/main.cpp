// Prints the stand-in for shipped weights: the build makes code of it as it does of these.
#include <cstdio>

#include "../synthetic.h"

int main() {
  std::fputs(print(tenon::stand_in()).c_str(), stdout);
  return 0;
}
