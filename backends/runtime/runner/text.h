/* Strings and numbers for a program without a C library. */
#ifndef TENON_TEXT_H
#define TENON_TEXT_H

#include "sys.h"

size_t length(const char* s);
int equal(const char* a, const char* b);
int starts(const char* s, const char* prefix);
/* The integer that `s` starts with; *end is where it stops, `s` itself if there is none. */
int64_t parse_integer(const char* s, const char** end);

/* Text on its way to a file descriptor. */
typedef struct line {
  char text[4096];
  size_t used;
} line;
void put(line* to, const char* s);
void put_integer(line* to, int64_t value);
void put_milliseconds(line* to, int64_t ns); /* "12.345" */
void put_number(line* to, double value);     /* nine digits: "123456789e-10"; null where it is no finite number */
void flush(line* from, int fd);
/* Flushes where less than a number's room is left: long texts are put piece by piece. */
void drain(line* from, int fd);

/* Prints the parts, up to a NULL, and leaves with status 1. */
_Noreturn void die(const char* first, ...);

#endif
