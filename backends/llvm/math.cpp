#include "code.h"
#include "tenon/result.h"
namespace tenon::gen {
Value* emit_math(Code&, SOp op, Value*, Value*) { internal_error(__FILE__, __LINE__, std::string(spelling(op))); }
}
