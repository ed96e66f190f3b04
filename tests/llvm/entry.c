/* Generated code is hidden; a test's library exports this door to it. */
#include "tenon_abi.h"

int32_t t_host(const tn_call* call);
int64_t t_workspace_bytes(const int64_t* symbols);
void t_shapes(const int64_t* symbols, int64_t* dims);

__attribute__((visibility("default"))) int32_t run(const tn_call* call) { return t_host(call); }
__attribute__((visibility("default"))) int64_t workspace_bytes(const int64_t* symbols) { return t_workspace_bytes(symbols); }
__attribute__((visibility("default"))) void shapes(const int64_t* symbols, int64_t* dims) { t_shapes(symbols, dims); }
