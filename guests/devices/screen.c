/*
 * The VGA's text screen and the keyboard, as a PC's BIOS leaves them: text is memory at 0xb8000, the cursor is in the CRT
 * controller, and each key is an interrupt and a scan code of set 1. Shows what is typed until Esc. Nothing is printed
 * on the serial port.
 */
#include "runtime.h"

enum { COLUMNS = 80, ROWS = 25, NORMAL = 0x07, TITLE = 0x1f };
enum { CRTC_INDEX = 0x3d4, CRTC_DATA = 0x3d5, CURSOR_HIGH = 0x0e, CURSOR_LOW = 0x0f };
enum { KEYBOARD_IRQ = 1, OUTPUT_FULL = 1, RELEASED = 0x80, ESCAPE = 0x01, LEFT_SHIFT = 0x2a, RIGHT_SHIFT = 0x36 };

COUNTER(echo_bytes);

static volatile uint16_t *const cells = (volatile uint16_t *)MEMORY_TEXT_SCREEN;
static unsigned row, column;

/* The keys of a US keyboard by their code, without and with shift. */
static const char plain[] = "\0\0331234567890-=\b\tqwertyuiop[]\n\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shifted[] = "\0\033!@#$%^&*()_+\b\tQWERTYUIOP{}\n\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";

static volatile uint8_t ring[256];
static volatile uint8_t head, tail;

/* A key that is left to the controller gives no other interrupt: who has made room looks again. */
static void take_keys(void) {
  while ((uint8_t)(head + 1) != tail && inb(PORT_I8042_COMMAND) & OUTPUT_FULL)
    ring[head++] = inb(PORT_I8042_DATA);
}

static void on_key(struct interrupt_frame *frame) {
  (void)frame;
  take_keys();
  pic_end_of_interrupt(KEYBOARD_IRQ);
}

static void keyboard_init(void) {
  set_handler(VECTOR_KEYBOARD, on_key);
  pic_init();
  pic_unmask(KEYBOARD_IRQ);
}

static uint8_t read_key(void) {
  take_keys();
  while (head == tail)
    wait_for_interrupt();
  return ring[tail++];
}

static void clear_row(unsigned which, uint8_t attribute) {
  for (unsigned i = 0; i < COLUMNS; i++)
    cells[which * COLUMNS + i] = (uint16_t)(attribute << 8 | ' ');
}

static void set_cursor(void) {
  unsigned at = row * COLUMNS + column;
  outb(CRTC_INDEX, CURSOR_HIGH);
  outb(CRTC_DATA, (uint8_t)(at >> 8));
  outb(CRTC_INDEX, CURSOR_LOW);
  outb(CRTC_DATA, (uint8_t)at);
}

/* The title stays; the rows below it move up. */
static void new_line(void) {
  column = 0;
  if (++row < ROWS)
    return;
  row = ROWS - 1;
  for (unsigned i = COLUMNS; i < row * COLUMNS; i++)
    cells[i] = cells[i + COLUMNS];
  clear_row(row, NORMAL);
}

static void put(char c, uint8_t attribute) {
  if (c == '\n') {
    new_line();
  } else if (c == '\b') {
    if (column > 0)
      cells[row * COLUMNS + --column] = NORMAL << 8 | ' ';
  } else {
    cells[row * COLUMNS + column] = (uint16_t)(attribute << 8 | (uint8_t)c);
    if (++column == COLUMNS)
      new_line();
  }
}

static void print(const char *text, uint8_t attribute) {
  while (*text)
    put(*text++, attribute);
  set_cursor();
}

int main(void) {
  for (unsigned i = 0; i < ROWS; i++)
    clear_row(i, i == 0 ? TITLE : NORMAL);
  print("screen: type, end with Esc\n", TITLE);
  keyboard_init();
  for (int shift = 0;;) {
    uint8_t code = read_key();
    uint8_t key = code & (uint8_t)~RELEASED;
    if (key == LEFT_SHIFT || key == RIGHT_SHIFT)
      shift = !(code & RELEASED);
    if (code == ESCAPE)
      break;
    if (code & RELEASED || key >= sizeof plain || !plain[key])
      continue;
    put((shift ? shifted : plain)[key], NORMAL);
    set_cursor();
    echo_bytes++;
  }
  print("\nscreen: bye\n", NORMAL);
  return EXIT_OK;
}
