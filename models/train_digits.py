#!/usr/bin/env python3
"""Trains the digits classifier that ships here and writes it as ONNX, with images it has never seen.

    pip install numpy scikit-learn onnx
    python3 models/train_digits.py [FOLDER]      default: the script's own

conv 3x3 (1 -> 12), relu, max pool 2x2, conv 3x3 (12 -> 24), relu, linear (384 -> 10), softmax; plain NumPy,
Adam, 30 epochs on 1,437 of scikit-learn's 8x8 digits. The other 360 are digits_images.npy and
digits_labels.npy. Same seed, same NumPy: same file.
"""
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits

SEED, EPOCHS, BATCH, RATE = 7, 30, 32, 2e-3


def patches(x):
    """[N,C,H,W] padded by one -> [N,H,W,C*9]."""
    n, c, h, w = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(n, h, w, c * 9)


def unpatches(grad, c):
    """The transpose of patches(): sums the gradients of each pixel."""
    n, h, w, _ = grad.shape
    grad = grad.reshape(n, h, w, c, 3, 3)
    padded = np.zeros((n, c, h + 2, w + 2), grad.dtype)
    for i in range(3):
        for j in range(3):
            padded[:, :, i:i + h, j:j + w] += grad[:, :, :, :, i, j].transpose(0, 3, 1, 2)
    return padded[:, :, 1:-1, 1:-1]


def conv(x, weight, bias):
    p = patches(x)
    return p, np.maximum(p @ weight.reshape(len(weight), -1).T + bias, 0).transpose(0, 3, 1, 2)


def conv_gradients(p, y, weight, grad):
    grad = (grad * (y > 0)).transpose(0, 2, 3, 1)
    flat = grad.reshape(-1, grad.shape[-1])
    return grad @ weight.reshape(len(weight), -1), (flat.T @ p.reshape(len(flat), -1)).reshape(weight.shape), flat.sum(0)


def forward(x, w):
    p1, y1 = conv(x, w["conv1.weight"], w["conv1.bias"])
    n, c, h, width = y1.shape
    blocks = y1.reshape(n, c, h // 2, 2, width // 2, 2)
    pooled = blocks.max(axis=(3, 5))
    p2, y2 = conv(pooled, w["conv2.weight"], w["conv2.bias"])
    return (p1, y1, blocks, pooled, p2, y2), y2.reshape(n, -1) @ w["linear.weight"].T + w["linear.bias"]


def gradients(x, labels, w):
    (p1, y1, blocks, pooled, p2, y2), logits = forward(x, w)
    prob = np.exp(logits - logits.max(1, keepdims=True))
    prob /= prob.sum(1, keepdims=True)
    d = prob.copy()
    d[np.arange(len(x)), labels] -= 1
    d /= len(x)
    g = {"linear.weight": d.T @ y2.reshape(len(x), -1), "linear.bias": d.sum(0)}
    dp2, g["conv2.weight"], g["conv2.bias"] = conv_gradients(p2, y2, w["conv2.weight"], (d @ w["linear.weight"]).reshape(y2.shape))
    dpool = unpatches(dp2, pooled.shape[1])
    mask = blocks == pooled[:, :, :, None, :, None]
    mask = mask / mask.sum(axis=(3, 5), keepdims=True)
    dy1 = (mask * dpool[:, :, :, None, :, None]).reshape(y1.shape)
    _, g["conv1.weight"], g["conv1.bias"] = conv_gradients(p1, y1, w["conv1.weight"], dy1)
    return g


def train(x, labels, rng):
    def he(*shape):
        return (rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)

    w = {"conv1.weight": he(12, 1, 3, 3), "conv1.bias": np.zeros(12, np.float32),
         "conv2.weight": he(24, 12, 3, 3), "conv2.bias": np.zeros(24, np.float32),
         "linear.weight": he(10, 384), "linear.bias": np.zeros(10, np.float32)}
    mean = {k: np.zeros_like(v) for k, v in w.items()}
    square = {k: np.zeros_like(v) for k, v in w.items()}
    step = 0
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for at in range(0, len(x), BATCH):
            rows = order[at:at + BATCH]
            step += 1
            for key, g in gradients(x[rows], labels[rows], w).items():
                mean[key] = 0.9 * mean[key] + 0.1 * g
                square[key] = 0.999 * square[key] + 0.001 * g * g
                update = mean[key] / (1 - 0.9**step) / (np.sqrt(square[key] / (1 - 0.999**step)) + 1e-8)
                w[key] = (w[key] - RATE * update).astype(np.float32)
    return w


def to_onnx(w):
    nodes = [
        helper.make_node("Conv", ["image", "conv1.weight", "conv1.bias"], ["c1"], "conv1", pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("MaxPool", ["r1"], ["p1"], "pool1", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p1", "conv2.weight", "conv2.bias"], ["c2"], "conv2", pads=[1] * 4),
        helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
        helper.make_node("Flatten", ["r2"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "linear.weight", "linear.bias"], ["logits"], "linear", transB=1),
        helper.make_node("Softmax", ["logits"], ["probability"], "softmax", axis=-1),
    ]
    graph = helper.make_graph(
        nodes, "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(v, k) for k, v in w.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], producer_name="train_digits.py", ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    digits = load_digits()
    images = (digits.images[:, None] / 16).astype(np.float32)
    rng = np.random.default_rng(SEED)
    order = rng.permutation(len(images))
    training, held_back = order[:1437], order[1437:]
    w = train(images[training], digits.target[training], rng)
    correct = forward(images[held_back], w)[1].argmax(1) == digits.target[held_back]
    print(f"{correct.sum()} of {len(held_back)} held-back images are classified rightly")
    onnx.save(to_onnx(w), folder / "digits.onnx")
    np.save(folder / "digits_images.npy", images[held_back])
    np.save(folder / "digits_labels.npy", digits.target[held_back].astype(np.int64))


if __name__ == "__main__":
    main()
