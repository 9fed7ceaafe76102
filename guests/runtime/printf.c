/* Just enough of printf. */
#include "runtime.h"

struct line {
  char bytes[256];
  size_t length;
};

static void put(struct line *line, char c) {
  if (line->length < sizeof line->bytes)
    line->bytes[line->length++] = c;
}

static void put_text(struct line *line, const char *text) {
  while (*text)
    put(line, *text++);
}

static void put_number(struct line *line, uint64_t value, unsigned base, unsigned width, char fill) {
  char digits[20];
  unsigned count = 0;
  do
    digits[count++] = "0123456789abcdef"[value % base];
  while (value /= base);
  for (unsigned i = count; i < width; i++)
    put(line, fill);
  while (count)
    put(line, digits[--count]);
}

static void put_signed(struct line *line, int64_t value, unsigned width, char fill) {
  if (value < 0) {
    put(line, '-');
    width = width ? width - 1 : 0;
  }
  put_number(line, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, width, fill);
}

int vprintf(const char *format, va_list arguments) {
  struct line line = {.length = 0};
  for (; *format; format++) {
    if (*format != '%') {
      put(&line, *format);
      continue;
    }
    format++;
    char fill = *format == '0' ? '0' : ' ';
    unsigned width = 0;
    while (*format >= '0' && *format <= '9')
      width = width * 10 + (unsigned)(*format++ - '0');
    int is_long = *format == 'l';
    if (is_long)
      format++;
    switch (*format) {
    case 'd':
      put_signed(&line, is_long ? va_arg(arguments, int64_t) : va_arg(arguments, int), width, fill);
      break;
    case 'u':
    case 'x':
      put_number(&line, is_long ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned), *format == 'x' ? 16 : 10,
                 width, fill);
      break;
    case 's':
      put_text(&line, va_arg(arguments, const char *));
      break;
    case 'c':
      put(&line, (char)va_arg(arguments, int));
      break;
    default:
      put(&line, *format);
    }
  }
  serial_write(line.bytes, line.length);
  return (int)line.length;
}

int printf(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vprintf(format, arguments);
  va_end(arguments);
  return length;
}
