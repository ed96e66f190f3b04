// NumPy's .npy and .npz files. What they say is checked against their size before memory is asked for.
#include <charconv>
#include <cstring>

#include <zlib.h>

#include "descriptor.h"
#include "files.h"

namespace tenon {

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

std::unexpected<Diags> malformed(const std::string& path, const std::string& why) {
  return fail(Diag{.code = Code::E0502, .message = path + ": " + why, .file = path});
}

// The text after `'key':` in a header, which is a Python dictionary.
std::string_view value_of(std::string_view header, std::string_view key) {
  size_t at = header.find(key);
  if (at == header.npos) return {};
  at = header.find_first_not_of(": ", at + key.size());
  return at == header.npos ? std::string_view{} : header.substr(at);
}

std::optional<DType> type_of(std::string_view descr) {
  for (int t = 0; t <= static_cast<int>(DType::Index); ++t) {
    std::string_view own = numpy_descr(static_cast<DType>(t));
    if (own.empty() || own[1] == 'V') continue;
    const bool order = descr.starts_with('<') || descr.starts_with('|') || descr.starts_with('=');
    if (order && descr.substr(1) == own.substr(1)) return static_cast<DType>(t);
  }
  if (descr == "<V2" || descr == "|V2") return DType::BF16;  // how NumPy saves ml_dtypes' bfloat16
  return std::nullopt;
}

Result<std::vector<int64_t>> parse_shape(std::string_view text, const std::string& path) {
  std::vector<int64_t> dims;
  if (!text.starts_with('(')) return malformed(path, "no shape");
  const char *at = text.data() + 1, *end = text.data() + text.size();
  while (at < end && *at != ')') {
    int64_t dim = 0;
    auto [rest, error] = std::from_chars(at, end, dim);
    if (error != std::errc{} || dim < 0 || dims.size() == 64) return malformed(path, "shape not understood");
    dims.push_back(dim);
    for (at = rest; at < end && (*at == ',' || *at == ' ' || *at == 'L'); ++at) {
    }
  }
  return dims;
}

// Bytes of all elements, unless they overflow.
std::optional<size_t> data_size(DType type, const std::vector<int64_t>& dims) {
  int64_t bits_total = bits(type);
  for (int64_t dim : dims)
    if (__builtin_mul_overflow(bits_total, dim, &bits_total)) return std::nullopt;
  return static_cast<size_t>(bits_total / 8);
}

Tensor transposed(const Tensor& from) {
  Tensor to = Tensor::zeros(from.type, from.dims);
  const size_t rank = from.dims.size();
  const auto count = static_cast<size_t>(from.count());
  const size_t parts = is_complex(from.type) ? 2 : 1;
  std::vector<int64_t> index(rank, 0);
  for (size_t column_major = 0; column_major < count; ++column_major) {
    size_t row_major = 0;
    for (size_t d = 0; d < rank; ++d) row_major = row_major * static_cast<size_t>(from.dims[d]) + static_cast<size_t>(index[d]);
    for (size_t p = 0; p < parts; ++p) {
      if (!from.f.empty()) to.f[row_major * parts + p] = from.f[column_major * parts + p];
      else to.i[row_major] = from.i[column_major];
    }
    for (size_t d = 0; d < rank && ++index[d] == from.dims[d]; ++d) index[d] = 0;
  }
  return to;
}

Result<Tensor> parse_npy(std::string_view file, const std::string& path) {
  if (file.size() < 12 || !file.starts_with(kMagic)) return malformed(path, "not a .npy file");
  auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(file[i])); };
  const bool wide = file[6] >= 2;
  const size_t start = wide ? 12 : 10;
  const size_t size = byte(8) | byte(9) << 8 | (wide ? byte(10) << 16 | byte(11) << 24 : 0);
  if (size > file.size() - start) return malformed(path, "truncated header");
  const std::string_view header = file.substr(start, size), data = file.substr(start + size);

  std::string_view descr = value_of(header, "'descr'");
  if (!descr.starts_with('\'') || descr.find('\'', 1) == descr.npos) return malformed(path, "element type not understood");
  descr = descr.substr(1, descr.find('\'', 1) - 1);
  const std::optional<DType> type = type_of(descr);
  if (!type) return malformed(path, "element type " + std::string(descr) + " is not supported");
  TENON_TRY(std::vector<int64_t> dims, parse_shape(value_of(header, "'shape'"), path));
  const std::optional<size_t> bytes = data_size(*type, dims);
  if (!bytes || *bytes > data.size()) return malformed(path, "the data is shorter than its shape");
  const bool column_major = value_of(header, "'fortran_order'").starts_with("True") && dims.size() > 1;
  Tensor tensor = decode(*type, std::move(dims), reinterpret_cast<const std::byte*>(data.data()), *bytes);
  return column_major ? transposed(tensor) : std::move(tensor);
}

template <class T>
T little(std::string_view bytes, size_t at) {
  T value{};
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

Result<std::string> inflate_member(std::string_view packed, size_t size, const std::string& path) {
  // Deflate expands at most 1032 times: a larger claim is a lie.
  if (size / 1040 > packed.size()) return malformed(path, "member size is not plausible");
  std::string out(size, '\0');
  z_stream stream{};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(size);
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return malformed(path, "zlib cannot start");
  const int status = inflate(&stream, Z_FINISH);
  const bool whole = status == Z_STREAM_END && stream.avail_out == 0;
  inflateEnd(&stream);
  if (!whole) return malformed(path, "compressed member is damaged");
  return out;
}

}  // namespace

Result<Tensor> read_npy(const std::string& path) {
  TENON_TRY(const std::string file, read_file(path));
  return parse_npy(file, path);
}

Result<void> write_npy(const std::string& path, const Tensor& tensor) {
  // Types narrower than a byte are written as whole bytes; NumPy has nothing smaller.
  Tensor whole = tensor;
  if (bits(whole.type) < 8) whole.type = is_signed(whole.type) ? DType::I8 : DType::U8;
  if (is_float(tensor.type) && bits(tensor.type) < 8)
    return fail(Code::E0303, path + ": NumPy has no type for " + std::string(spelling(tensor.type)));
  const std::string_view descr = numpy_descr(whole.type);
  if (descr.empty()) return fail(Code::E0303, path + ": NumPy has no type for " + std::string(spelling(tensor.type)));
  std::string shape;
  for (int64_t dim : whole.dims) shape += std::to_string(dim) + (whole.dims.size() == 1 ? "," : ", ");
  if (whole.dims.size() > 1) shape.resize(shape.size() - 2);
  std::string header = "{'descr': '" + std::string(descr) + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  header.resize((header.size() + 11 + 63) / 64 * 64 - 11, ' ');
  header += '\n';
  std::string file(kMagic);
  file += {1, 0, static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  file += header;
  const std::vector<std::byte> bytes = encode(whole);
  file.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return write_file(path, file);
}

// A zip archive, read from its central directory.
Result<std::vector<NamedTensor>> read_npz(const std::string& path) {
  TENON_TRY(const std::string text, read_file(path));
  const std::string_view file = text;
  const size_t end = file.rfind("PK\x05\x06");
  if (end == file.npos || file.size() - end < 22) return malformed(path, "not a .npz file");
  std::vector<NamedTensor> tensors;
  size_t at = little<uint32_t>(file, end + 16);
  for (uint16_t left = little<uint16_t>(file, end + 10); left > 0; --left) {
    if (at > end || end - at < 46 || file.substr(at, 4) != "PK\x01\x02") return malformed(path, "directory is damaged");
    const auto method = little<uint16_t>(file, at + 10);
    size_t packed = little<uint32_t>(file, at + 20), size = little<uint32_t>(file, at + 24);
    const size_t name_size = little<uint16_t>(file, at + 28), extra = little<uint16_t>(file, at + 30),
                 comment = little<uint16_t>(file, at + 32), local = little<uint32_t>(file, at + 42);
    if (end - at - 46 < name_size + extra + comment) return malformed(path, "directory is damaged");
    std::string name(file.substr(at + 46, name_size));
    at += 46 + name_size + extra + comment;
    if (packed == UINT32_MAX || size == UINT32_MAX) return malformed(path, "members of 4 GiB are not supported");
    if (local > end || end - local < 30 || file.substr(local, 4) != "PK\x03\x04") return malformed(path, "member is damaged");
    const size_t data = local + 30 + little<uint16_t>(file, local + 26) + little<uint16_t>(file, local + 28);
    if (data > end || end - data < packed) return malformed(path, "member is truncated");
    std::string_view bytes = file.substr(data, packed);
    std::string inflated;
    if (method == 8) {
      TENON_TRY(inflated, inflate_member(bytes, size, path));
      bytes = inflated;
    } else if (method != 0) {
      return malformed(path, "compression method " + std::to_string(method) + " is not supported");
    }
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    TENON_TRY(Tensor tensor, parse_npy(bytes, path + ":" + name));
    tensors.push_back({std::move(name), std::move(tensor)});
  }
  return tensors;
}

}  // namespace tenon
