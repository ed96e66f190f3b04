#include "npy.h"

#include "text.h"

void* memcpy(void* restrict to, const void* restrict from, size_t n);

const uint8_t* map_file(const char* path, size_t* bytes) {
  long fd = sys(SYS_openat, AT_FDCWD, (long)path, O_RDONLY, 0, 0, 0);
  if (fd < 0) die(path, ": cannot be opened", NULL);
  const int from_end = 2;
  long size = sys(SYS_lseek, fd, 0, from_end, 0, 0, 0);
  const uint8_t* data = size < 0 ? NULL : map((size_t)size, (int)fd);
  if (!data) die(path, ": cannot be mapped", NULL);
  sys(SYS_close, fd, 0, 0, 0, 0, 0);
  *bytes = (size_t)size;
  return data;
}

/* The value after 'key': in a header, which is a Python dictionary in text. */
static const char* value_of(const char* header, const char* key, const char* path) {
  for (const char* p = header; *p; ++p)
    if (starts(p, key)) {
      for (p += length(key); *p == ' ' || *p == ':'; ++p) {
      }
      return p;
    }
  die(path, ": not a .npy file", NULL);
}

array read_npy(const char* path) {
  array a = {.rank = 0};
  size_t bytes;
  const uint8_t* file = map_file(path, &bytes);
  if (bytes < 12 || !starts((const char*)file, "\x93NUMPY")) die(path, ": not a .npy file", NULL);
  size_t start = file[6] == 1 ? 10 : 12;
  size_t size = file[8] | (size_t)file[9] << 8;
  if (file[6] > 1) size |= (size_t)file[10] << 16 | (size_t)file[11] << 24;
  char header[4096];
  if (size >= sizeof header || start + size > bytes) die(path, ": not a .npy file", NULL);
  memcpy(header, file + start, size);
  header[size] = 0;

  const char* p = value_of(header, "'descr'", path);
  for (size_t i = 0; i + 1 < sizeof a.descr && p[1 + i] && p[1 + i] != '\''; ++i) a.descr[i] = p[1 + i];
  if (a.descr[0] == '>') die(path, ": big-endian data", NULL);
  p = value_of(header, "'shape'", path);
  int64_t count = 1;
  for (++p; *p && *p != ')';) {
    const char* end;
    int64_t dim = parse_integer(p, &end);
    if (end == p || dim < 0 || a.rank == MAX_RANK || __builtin_mul_overflow(count, dim, &count))
      die(path, ": shape not understood", NULL);
    a.dims[a.rank++] = dim;
    for (p = end; *p == ',' || *p == ' ' || *p == 'L'; ++p) {
    }
  }
  if (a.rank > 1 && starts(value_of(header, "'fortran_order'", path), "True")) die(path, ": column-major", NULL);
  const char* end;
  int64_t width = parse_integer(a.descr + 2, &end);
  if (width < 1 || width > 16 || count > (int64_t)(bytes - start - size) / width) die(path, ": truncated", NULL);
  a.bytes = (size_t)(count * width);
  a.data = file + start + size;
  if ((uintptr_t)a.data % 64 != 0) {
    uint8_t* aligned = map(a.bytes, -1);
    if (!aligned) die("out of memory", NULL);
    memcpy(aligned, a.data, a.bytes);
    a.data = aligned;
  }
  return a;
}

void write_npy(const char* path, const char* descr, const int64_t* dims, uint32_t rank, const void* data,
               size_t bytes) {
  const size_t prefix = 10;
  line out = {.used = 0};
  put(&out, "\x93NUMPY\x01");
  out.text[7] = out.text[8] = out.text[9] = 0;
  out.used = prefix;
  put(&out, "{'descr': '");
  put(&out, descr);
  put(&out, "', 'fortran_order': False, 'shape': (");
  for (uint32_t i = 0; i < rank; ++i) {
    put_integer(&out, dims[i]);
    put(&out, i + 1 < rank || rank == 1 ? "," : "");
    put(&out, i + 1 < rank ? " " : "");
  }
  put(&out, "), }");
  while ((out.used + 1) % 64 != 0) put(&out, " ");
  put(&out, "\n");
  size_t header = out.used - prefix;
  out.text[8] = (char)(header & 255);
  out.text[9] = (char)(header >> 8);
  long fd = sys(SYS_openat, AT_FDCWD, (long)path, O_WRONLY_CREATE, 0666, 0, 0);
  if (fd < 0 || !write_all((int)fd, out.text, out.used) || !write_all((int)fd, data, bytes))
    die(path, ": cannot be written", NULL);
  sys(SYS_close, fd, 0, 0, 0, 0, 0);
}
