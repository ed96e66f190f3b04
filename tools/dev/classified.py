#!/usr/bin/env python3
"""Prints how many rows of SCORES.npy have their greatest element at LABELS.npy. Standard library only.

    classified.py SCORES.npy LABELS.npy
"""
import array
import ast
import sys

TYPES = {"<f4": "f", "<f8": "d", "<i8": "q"}


def read_npy(path):
    """Shape and elements; version 1 files, row-major."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:7] != b"\x93NUMPY\x01":
        sys.exit(f"{path}: not a version 1 .npy file")
    start = 10 + int.from_bytes(data[8:10], "little")
    header = ast.literal_eval(data[10:start].decode("latin1"))
    elements = array.array(TYPES[header["descr"]])
    elements.frombytes(data[start:])
    return header["shape"], elements


def main():
    (rows, classes), scores = read_npy(sys.argv[1])
    _, labels = read_npy(sys.argv[2])
    right = 0
    for row in range(rows):
        values = scores[row * classes:(row + 1) * classes]
        right += values.index(max(values)) == labels[row]
    print(f"{right} of {rows} images classified rightly ({100 * right / rows:.1f} %)")


if __name__ == "__main__":
    main()
