/* C11 and C++. A call of oneDNN as integers: what the compiler writes into the plan's kernels and the artifact reads when weights are
 * bound. In order:
 *
 *   kind rank bias groups posts
 *   convolution only, rank - 2 words each: strides, dilations, pads before, pads after
 *   per post-operation: algorithm (oneDNN's number), alpha, beta (bits of a float)
 *   per tensor, rank words each: dims, strides in elements
 *
 * Tensors: source, weights, bias where there is one, one for each binary post-operation, result. Weights of a convolution
 * are [O, C/groups, kernel...]; a bias has the extent of the channels and ones. All are float. The numbers of oneDNN are
 * those of dnnl_types.h, version 3. */
#ifndef TENON_ONEDNN_WORDS_H
#define TENON_ONEDNN_WORDS_H

enum { TN_CONVOLUTION = 0, TN_MATMUL = 1 };
enum { TN_WORDS_HEAD = 5, TN_WORDS_POST = 3, TN_MOST_RANK = 6, TN_MOST_POSTS = 8 };

enum {
  TN_ELTWISE_RELU = 0x20, TN_ELTWISE_TANH = 0x21, TN_ELTWISE_LINEAR = 0x26, TN_ELTWISE_LOGISTIC = 0x29, TN_ELTWISE_SWISH = 0x2c,
  TN_ELTWISE_CLIP = 0x2e, TN_ELTWISE_GELU_ERF = 0x31,
  TN_BINARY_ADD = 0x1fff0, TN_BINARY_MUL = 0x1fff1, TN_BINARY_DIV = 0x1fff4, TN_BINARY_SUB = 0x1fff5
};
#define TN_IS_BINARY(algorithm) ((algorithm) >= TN_BINARY_ADD)

#endif
