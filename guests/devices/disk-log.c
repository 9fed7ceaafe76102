/*
 * A log on a disk: each round appends files, a sector each with a checksum, and keeps their number in memory as well. So
 * memory and disk must always be of the same moment: a file that memory knows of is there, and the next one is not.
 */
#include "runtime.h"
#include "virtio.h"

enum { FILES_A_ROUND = 4, REPORT_EVERY = 64, WORDS = SECTOR / 8 - 3 };

struct file {
  uint64_t checksum, number, salt, content[WORDS];
};

/* 0: endless. */
PARAMETER(param_rounds, 0);
/* What the host may change to tell one course of events from another. */
PARAMETER(param_salt, 1);
COUNTER(log_files);
COUNTER(log_rounds);

static struct file files[FILES_A_ROUND] __attribute__((aligned(SECTOR)));
static struct file other __attribute__((aligned(SECTOR)));

/* FNV-1a, by words: never 0 for what make() makes, so a sector of zeros is no file. */
static uint64_t checksum_of(const struct file *file) {
  uint64_t sum = (14695981039346656037u ^ file->number) * 1099511628211u ^ file->salt;
  for (unsigned i = 0; i < WORDS; i++)
    sum = (sum ^ file->content[i]) * 1099511628211u;
  return sum | 1;
}

static int is_file(const struct file *file, uint64_t number) {
  return file->number == number && file->checksum == checksum_of(file);
}

static void make(struct file *file, uint64_t number) {
  file->number = number;
  file->salt = param_salt;
  for (unsigned i = 0; i < WORDS; i++)
    file->content[i] = number * 31 + param_salt * 17 + i;
  file->checksum = checksum_of(file);
}

static int is_there(uint64_t number) {
  disk_requests(BLK_IN, number, &other, 1);
  return is_file(&other, number);
}

int main(void) {
  const uint64_t sectors = disk_start(INTERRUPTS);
  if (sectors == 0) {
    printf("disk-log: no disk; give it one: --disk FILE\n");
    return EXIT_OK;
  }
  while (log_files < sectors && is_there(log_files))
    log_files++;
  printf("disk-log: %lu sectors, %lu files\n", sectors, log_files);
  for (uint64_t round = 0; param_rounds == 0 || round < param_rounds; round++) {
    if (log_files + FILES_A_ROUND >= sectors) {
      printf("disk-log: full\n");
      return EXIT_OK;
    }
    if (is_there(log_files))
      panic("file %lu is there before it was written", log_files);
    for (unsigned i = 0; i < FILES_A_ROUND; i++)
      make(&files[i], log_files + i);
    disk_requests(BLK_OUT, log_files, files, FILES_A_ROUND);
    disk_flush();
    for (unsigned i = 0; i < FILES_A_ROUND; i++)
      memset(&files[i], 0, SECTOR);
    disk_requests(BLK_IN, log_files, files, FILES_A_ROUND);
    for (unsigned i = 0; i < FILES_A_ROUND; i++)
      if (!is_file(&files[i], log_files + i))
        panic("file %lu is not as it was written", log_files + i);
    log_files += FILES_A_ROUND;
    log_rounds++;
    outb(PORT_POST, (uint8_t)round);
    if (log_rounds % REPORT_EVERY == 0)
      printf("disk-log: %lu files\n", log_files);
  }
  printf("disk-log: done, %lu files\n", log_files);
  return EXIT_OK;
}
